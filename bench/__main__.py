"""All benchmarks: python -m bench"""

from bench import evaluate, sizing

if __name__ == "__main__":
    evaluate.main()
    sizing.main()

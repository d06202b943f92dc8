"""All benchmarks: python -m bench"""

from bench import evaluate, exits, projection, sizing

if __name__ == "__main__":
    exits.main()  # first: the others keep this process, and what it starts, on one core
    evaluate.main()
    sizing.main()
    projection.main()

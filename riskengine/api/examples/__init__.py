"""Answers as the schema shows them: in shape and size those of the product, so that a program can be written against
them. A test holds each against the schema, and the sentences against what the product says."""

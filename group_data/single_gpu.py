"""Hosts with one GPU."""

# Of the stack `starter`: a larger model.
# models = {"chat": "qwen2.5-7b-instruct-q4-k-m"}

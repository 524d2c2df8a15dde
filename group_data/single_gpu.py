"""Hosts with one GPU."""

models = {"chat": "qwen2.5-7b-instruct-q4-k-m"}

"""Hosts with two GPUs or more, all of which may be used."""

models = {"chat": "qwen2.5-7b-instruct-q4-k-m"}

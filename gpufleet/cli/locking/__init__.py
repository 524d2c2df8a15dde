"""What `gpufleet lock` does: who asks for what, what it is now at its source, and the file."""

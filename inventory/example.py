"""One machine: this one.

Copy the file, put your hosts in the role groups, and run `pyinfra inventory/home.py deploy.py`.
"""

cpu = ["@local"]
single_gpu = []

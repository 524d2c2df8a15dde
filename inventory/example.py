"""One machine: this one.

Copy the file, put your hosts in the role groups, and run `pyinfra inventory/home.py deploy.py`.
"""

cpu = ["@local"]
# A machine over SSH is a name, or a name with what pyinfra's SSH connector takes:
# single_gpu = [("gpu1", {"ssh_hostname": "192.168.1.20", "ssh_user": "root", "ssh_key": "~/.ssh/id_ed25519"})]
single_gpu = []
# All cards of a host with two or more:
dual_gpu = []

"""The callback of Ansible that keeps a run to its hosts."""

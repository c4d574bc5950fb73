"""One execution of Ansible: what is asked of hosts, and what they answer."""

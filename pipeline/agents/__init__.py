"""What tells people from programs: agents, networks, speed."""

"""The fault matrix: real faults under real plays, and then everything is counted."""

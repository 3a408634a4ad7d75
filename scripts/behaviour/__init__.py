"""The parts of scripts/compare_behaviour.py: what each records, and how two recordings are compared."""

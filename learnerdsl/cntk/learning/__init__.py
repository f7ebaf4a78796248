"""CNTK's learners: schedules, rules, and update functions written as graphs."""

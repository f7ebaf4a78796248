"""CNTK's learners: schedules, update rules, and update functions written as graphs."""

"""The answer as data: the plan, what was asked, what is summed and said of it."""

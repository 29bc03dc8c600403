"""Why a plan is what it is: what binds, what conflicts, what would help, what the rivals would cost."""

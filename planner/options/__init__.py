"""Every priced way to run a workload: the columns of the optimization model."""

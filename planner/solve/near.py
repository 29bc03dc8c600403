"""Which count columns are worth looking at when whole numbers are sought near a linear relaxation.

Reduced cost alone misleads: where nothing stands, work looks free, for the shadow price of a use row that nobody
supplies is any number. So what a column uses is priced at what the cheapest supplier of its row would cost more, and
for every row the few columns that help it most cheaply are taken: per unit of help, and each as a whole (small units
fill what large ones leave).
"""

from __future__ import annotations

import numpy as np

from planner.solve.form import BoolArray, FloatArray, IntArray, Program


def price_of_use(program: Program, reduced_cost: FloatArray) -> FloatArray:
    """Reduced costs (n,), and on top of them what it costs to supply the rows that a column uses from.

    A row that gives out what others put in has an upper limit of 0 and coefficients of both signs.
    """
    rows, cols, vals = program.rows, program.cols, program.vals
    cost: FloatArray = np.maximum(reduced_cost, 0.0)
    shared = program.row_upper == 0.0
    supplies, uses = shared[rows] & (vals < 0.0), shared[rows] & (vals > 0.0)
    price = np.full(program.row_count, np.inf)
    np.minimum.at(price, rows[supplies], cost[cols[supplies]] / -vals[supplies])
    price = np.where(np.isfinite(price), price, 0.0)
    through = np.bincount(cols[uses], weights=vals[uses] * price[rows[uses]], minlength=program.column_count)
    return np.asarray(cost + through, dtype=np.float64)


def cheapest_helpers(program: Program, reduced_cost: FloatArray, counts: BoolArray, each: int) -> BoolArray:
    """Of the columns of ``counts`` (n,), those among the ``each`` cheapest that help some row; (n,)."""
    cost = price_of_use(program, reduced_cost)
    rows, cols, vals = program.rows, program.cols, program.vals
    low, high = np.isfinite(program.row_lower)[rows], np.isfinite(program.row_upper)[rows]
    helps = counts[cols] & ((low & (vals > 0.0)) | (high & (vals < 0.0)))
    row, column, amount = rows[helps], cols[helps], np.abs(vals[helps])
    near = np.zeros(program.column_count, dtype=np.bool_)
    for key in (cost[column] / amount, cost[column]):
        order = np.lexsort((column, key, row))
        near[column[order][_place_in_row(row[order]) < each]] = True
    return near


def users_of_suppliers(program: Program, near: BoolArray, counts: BoolArray) -> BoolArray:
    """Columns of ``counts`` (n,) that use only what columns of ``near`` (n,) supply; (n,).

    Whole numbers of what stands leave room that only other sizes of work on the same things fill.
    """
    rows, cols, vals = program.rows, program.cols, program.vals
    shared = (program.row_upper == 0.0)[rows] & counts[cols]
    supplied = np.zeros(program.row_count, dtype=np.bool_)
    supplied[rows[shared & (vals < 0.0) & near[cols]]] = True
    uses = shared & (vals > 0.0)
    needed = np.bincount(cols[uses], minlength=program.column_count)
    there = np.bincount(cols[uses], weights=supplied[rows[uses]], minlength=program.column_count)
    return np.asarray((needed > 0) & (there == needed))


def _place_in_row(rows: IntArray) -> IntArray:
    """Place of each entry among those of its row; ``rows`` ascend."""
    return np.arange(len(rows)) - np.searchsorted(rows, rows)

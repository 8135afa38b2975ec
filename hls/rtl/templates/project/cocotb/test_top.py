"""Every event of bench/events.txt, back to back and with gaps: all bits, in the stated cycle."""

import json
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

PROJECT = Path(__file__).resolve().parent.parent
INTERFACE = json.loads((PROJECT / "interface.json").read_text())
INPUTS = [port["name"] for port in INTERFACE["inputs"]]
OUTPUTS = [port["name"] for port in INTERFACE["outputs"]]


def read_events():
    """Of each event the ports as integers: inputs, then outputs."""
    lines = (PROJECT / "bench" / "events.txt").read_text().splitlines()
    return [[int(word, 16) for word in line.split()] for line in lines]


async def send(dut, gap_rate):
    """Between rising edges: what an edge takes is set at the falling one before."""
    rng = random.Random(1)
    events = read_events()
    waiting, cycle, n_done, n_sent = {}, 0, 0, 0
    Clock(dut.clk, 10, "ns").start()
    dut.in_valid.value = 0
    while n_done < len(events):
        await FallingEdge(dut.clk)
        expected = waiting.pop(cycle, None)
        assert int(dut.out_valid.value) == (expected is not None), f"out_valid in cycle {cycle}"
        if expected is not None:
            found = [int(getattr(dut, name).value) for name in OUTPUTS]
            assert found == expected, f"event {n_done}: {OUTPUTS} must be {expected}, got {found}"
            n_done += 1
        send_now = n_sent < len(events) and rng.random() >= gap_rate
        dut.in_valid.value = int(send_now)
        if send_now:
            words = events[n_sent]
            for name, word in zip(INPUTS, words, strict=False):
                getattr(dut, name).value = word
            waiting[cycle + INTERFACE["latency_cycles"]] = words[len(INPUTS) :]
            n_sent += 1
        cycle += 1


@cocotb.test()
async def back_to_back(dut):
    await send(dut, gap_rate=0.0)


@cocotb.test()
async def with_gaps(dut):
    await send(dut, gap_rate=0.25)

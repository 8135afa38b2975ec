"""Synthesis with a vendor's tool: a stand-in for it, which writes reports in the tool's layout.

No real tool is run here.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from hls import cli
from hls.cpp.backends import BACKENDS, Backend
from hls.synthesis.resources import ResourceReport
from hls.synthesis.vendor_hls import find_tool, synthesize_project
from keras_ae.errors import InputError
from keras_ae.runs import Run, create_run
from keras_ae.settings.experiment import Experiment

NAME = "anomaly_trigger"

# As Vitis HLS 2023 writes it, but for the parts on loops and ports.
CSYNTH = """<?xml version="1.0" encoding="UTF-8"?>
<profile>
<ReportVersion>
<Version>2023.2</Version>
</ReportVersion>
<UserAssignments>
<unit>ns</unit>
<ProductFamily>virtexuplus</ProductFamily>
<Part>xcvu13p-flga2577-2-e</Part>
<TopModelName>anomaly_trigger</TopModelName>
<TargetClockPeriod>5.00</TargetClockPeriod>
<ClockUncertainty>1.35</ClockUncertainty>
<FlowTarget>vivado</FlowTarget>
</UserAssignments>
<PerformanceEstimates>
<PipelineType>yes</PipelineType>
<SummaryOfTimingAnalysis>
<unit>ns</unit>
<EstimatedClockPeriod>3.617</EstimatedClockPeriod>
</SummaryOfTimingAnalysis>
<SummaryOfOverallLatency>
<unit>clock cycles</unit>
<Best-caseLatency>17</Best-caseLatency>
<Average-caseLatency>17</Average-caseLatency>
<Worst-caseLatency>18</Worst-caseLatency>
<Best-caseRealTimeLatency>85.000 ns</Best-caseRealTimeLatency>
<Average-caseRealTimeLatency>85.000 ns</Average-caseRealTimeLatency>
<Worst-caseRealTimeLatency>90.000 ns</Worst-caseRealTimeLatency>
<Interval-min>1</Interval-min>
<Interval-max>2</Interval-max>
<PipelineInitiationInterval>1</PipelineInitiationInterval>
<PipelineDepth>18</PipelineDepth>
</SummaryOfOverallLatency>
</PerformanceEstimates>
<AreaEstimates>
<Resources>
<BRAM_18K>0</BRAM_18K>
<DSP>59</DSP>
<FF>14273</FF>
<LUT>52611</LUT>
<URAM>0</URAM>
</Resources>
<AvailableResources>
<BRAM_18K>5376</BRAM_18K>
<DSP>12288</DSP>
<FF>3456000</FF>
<LUT>1728000</LUT>
<URAM>1280</URAM>
</AvailableResources>
</AreaEstimates>
</profile>
"""
# A loop whose number of turns it does not know.
UNKNOWN_LATENCY = CSYNTH.replace("18</W", "undef</W")
COSIM = """
+----------+----------+-----------------------------------------------+
|          |          |  Latency(Clock Cycles)  | Interval(Clock Cycles) |
+   RTL    +  Status  +-----------------------------------------------+
|          |          |   min |   avg |   max   |  min |  avg |   max |
+----------+----------+-----------------------------------------------+
|      VHDL|        NA|     NA|     NA|       NA|    NA|    NA|     NA|
|   Verilog|      Pass|     17|     17|       17|     1|     1|      1|
+----------+----------+-----------------------------------------------+
"""
# Of i++: JavaScript of its HTML report.
AREA = (
    'var loopsJSON={"children":[]};\n'
    'var areaJSON={"name":"Kernel System","total":[31807,40921,2,112,14],'
    '"total_percent":[4.2,2.4,0.1,7.4],"max_resources":[854400,1708800,2713,1518,0]};\n'
    'var fileJSON=[{"path":"anomaly_trigger.cpp"}];\n'
)
VERIFICATION = (
    'var verifJSON={"functions":[{"name":"anomaly_trigger","data":["1000","21,23,21","1,1,1"]}]};\n'
)
UTILIZATION = """
1. CLB Logic
+----------------------------+-------+-------+------------+-----------+-------+
|          Site Type         |  Used | Fixed | Prohibited | Available | Util% |
+----------------------------+-------+-------+------------+-----------+-------+
| CLB LUTs*                  | 48012 |     0 |          0 |    663360 |  7.24 |
|   LUT as Logic             | 48012 |     0 |          0 |    663360 |  7.24 |
| CLB Registers              |  9120 |     0 |          0 |   1326720 |  0.69 |
+----------------------------+-------+-------+------------+-----------+-------+
|   RAMB18                   |     3 |     0 |          0 |      4320 |  0.07 |
| DSPs                       |    77 |     0 |          0 |      5520 |  1.39 |
"""
AMD = {
    f"{NAME}_prj/solution1/syn/report/{NAME}_csynth.xml": CSYNTH,
    f"{NAME}_prj/solution1/sim/report/{NAME}_cosim.rpt": COSIM,
}


def install_tool(
    folder: Path, program: str, reports: dict[str, str], exit_code: int = 0, last: str = "done"
) -> None:
    """An executable that writes `reports` into its working directory, as the tool would."""
    folder.mkdir(exist_ok=True)
    lines = ["#!/bin/sh", f'echo "{program} $*"']
    for number, (place, content) in enumerate(reports.items()):
        source = folder / f"{program}-{number}"
        source.write_text(content, encoding="utf-8")
        lines += [f"mkdir -p {Path(place).parent}", f"cp {source} {place}"]
    tool = folder / program
    tool.write_text("\n".join([*lines, f'echo "{last}" >&2', f"exit {exit_code}\n"]))
    tool.chmod(0o755)


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first folder of PATH, behind which there are only the shell's commands."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path / "bin"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "firmware"
    folder.mkdir()
    (folder / "kept").write_text("kept")
    return folder


def synthesize(project: Path, backend: str = "Vitis") -> ResourceReport | None:
    return synthesize_project(project, NAME, BACKENDS[backend])


class TestReports:
    @pytest.mark.parametrize(
        ("backend", "program"),
        [("Vitis", "vitis_hls"), ("Vitis", "vitis-run"), ("Vivado", "vivado_hls")],
    )
    def test_amd(self, bin_folder: Path, project: Path, backend: str, program: str) -> None:
        install_tool(bin_folder, program, AMD)
        report = synthesize(project, backend)
        assert report == ResourceReport(
            tool=program,
            lut=52611,
            ff=14273,
            dsp=59,
            bram=0,
            uram=0,
            latency_cycles_min=17,
            latency_cycles_max=18,
            interval_min=1,
            interval_max=2,
            clock_ns=5.0,
            clock_estimate_ns=3.617,
            cosim="Pass",
        )
        assert report.latency_ns_max == 90.0
        assert "LUT 52611" in str(report) and "in ns 90.0" in str(report)
        arguments = " ".join(find_tool(BACKENDS[backend]).command)  # type: ignore[union-attr]
        assert (project / "synthesis.log").read_text() == f"{arguments}\ndone\n"

    def test_vivado_names_the_dsp_block(self, bin_folder: Path, project: Path) -> None:
        place = next(iter(AMD))
        install_tool(bin_folder, "vivado_hls", {place: CSYNTH.replace("DSP>", "DSP48E>")})
        report = synthesize(project, "Vivado")
        assert report is not None and (report.dsp, report.cosim) == (59, None)

    @pytest.mark.parametrize(
        "content", ["<profile></profile>", CSYNTH.replace("18</W", "undef</W")]
    )
    def test_what_is_not_reported_is_none(
        self, bin_folder: Path, project: Path, content: str
    ) -> None:
        install_tool(bin_folder, "vitis_hls", {next(iter(AMD)): content})
        report = synthesize(project)
        assert report is not None
        assert report.latency_cycles_max is None and report.latency_ns_max is None
        assert "latency in cycles not reported" in str(report)
        if content != UNKNOWN_LATENCY:
            values = [getattr(report, field.name) for field in fields(report)]
            assert values == ["vitis_hls"] + [None] * (len(values) - 1)

    def test_intel(self, bin_folder: Path, project: Path) -> None:
        place = f"{NAME}-fpga.prj/reports/lib"
        install_tool(bin_folder, "i++", {})
        reports = {f"{place}/report_data.js": AREA, f"{place}/verification_data.js": VERIFICATION}
        # It is called by make.
        install_tool(bin_folder, "make", reports)
        report = synthesize(project, "Quartus")
        assert report == ResourceReport(
            tool="i++",
            lut=31807,
            ff=40921,
            bram=2,
            dsp=112,
            latency_cycles_min=21,
            latency_cycles_max=23,
            interval_min=1,
            interval_max=1,
        )
        install_tool(bin_folder, "make", {f"{place}/report_data.js": "var areaJSON={"})
        assert synthesize(project, "Quartus") == ResourceReport(tool="i++")

    def test_catapult(self, bin_folder: Path, project: Path) -> None:
        place = f"{NAME}_prj/{NAME}.v1/vivado_concat_v/utilization_synth.rpt"
        install_tool(bin_folder, "catapult", {place: UTILIZATION})
        report = synthesize(project, "Catapult")
        assert report == ResourceReport(tool="catapult", lut=48012, ff=9120, dsp=77, bram=3)


class TestTool:
    def test_none(self, bin_folder: Path, project: Path) -> None:
        assert all(find_tool(backend) is None for backend in BACKENDS.values())
        assert synthesize(project) is None
        assert [path.name for path in project.iterdir()] == ["kept"]

    def test_another_backends_tool_does_not_count(self, bin_folder: Path, project: Path) -> None:
        install_tool(bin_folder, "vivado_hls", AMD)
        assert synthesize(project) is None

    def test_failure_is_not_hidden_by_an_earlier_report(
        self, bin_folder: Path, project: Path
    ) -> None:
        install_tool(bin_folder, "vitis_hls", AMD)
        assert synthesize(project) is not None
        install_tool(bin_folder, "vitis_hls", {}, 3, "ERROR: [HLS 200-101] no licence")
        message = r"vitis_hls must end with 0, got 3: ERROR: \[HLS 200-101\] no licence \(all of"
        with pytest.raises(InputError, match=message):
            synthesize(project)
        install_tool(bin_folder, "vitis_hls", {})
        with pytest.raises(InputError, match=r"vitis_hls must write .*_csynth.xml, found none"):
            synthesize(project)
        assert (project / "kept").read_text() == "kept"

    def test_damaged_report(self, bin_folder: Path, project: Path) -> None:
        install_tool(bin_folder, "vitis_hls", {next(iter(AMD)): CSYNTH[:300]})
        with pytest.raises(InputError, match=r"_csynth.xml must be XML: "):
            synthesize(project)


def test_every_backend_has_a_reader_and_a_tool(bin_folder: Path, project: Path) -> None:
    def without_report(backend: Backend) -> str:
        for tool in backend.tools:
            for program in {tool.program, tool.command[0]}:
                install_tool(bin_folder, program, {})
        with pytest.raises(
            InputError, match=r"must write .*, found none; see .*synthesis.log"
        ) as e:
            synthesize_project(project, NAME, backend)
        return str(e.value).split()[0]

    assert [without_report(backend) for backend in BACKENDS.values()] == [
        "vitis-run",
        "vivado_hls",
        "i++",
        "catapult",
    ]


class TestCommandLine:
    @pytest.fixture
    def run(self, experiment_content: dict[str, Any], tmp_path: Path) -> Run:
        """A run directory whose stages count as finished."""
        run = create_run(tmp_path / "run", Experiment.model_validate(experiment_content))

        def work() -> None:
            run.firmware_folder.mkdir()
            for path in (run.trigger_graph_path, run.trigger_path):
                path.write_text("{}")

        run.stage("train", lambda: None)
        run.stage("quantize", lambda: None)
        run.stage("convert", work)
        return run

    def convert(
        self, run: Run, capsys: pytest.CaptureFixture[str], *options: str
    ) -> tuple[int, list[str], str]:
        with pytest.raises(SystemExit) as caught:
            cli.main(["convert", str(run.folder), *options])
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out.splitlines(), err

    def test_without_a_tool(
        self, run: Run, bin_folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, plain, _ = self.convert(run, capsys)
        assert code == 0
        code, out, err = self.convert(run, capsys, "--synthesize")
        assert code == 0
        assert out == [
            *plain,
            "no vendor tool on PATH, nothing was synthesized: looked for vitis-run or vitis_hls",
        ]
        assert err == ""
        assert not run.synthesis_path.exists()

    def test_with_a_tool(
        self, run: Run, bin_folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        install_tool(bin_folder, "vitis_hls", AMD)
        code, out, _ = self.convert(run, capsys, "--synthesize")
        assert code == 0
        assert out[-1].startswith("vitis_hls: LUT 52611, FF 14273, DSP 59, BRAM 0, latency in")
        found = json.loads(run.synthesis_path.read_text())
        assert found["latency_cycles_max"] == 18 and found["latency_ns_max"] == 90.0
        # It belongs to this project.
        shutil.rmtree(run.firmware_folder)
        run.stage("convert", run.firmware_folder.mkdir)
        assert not run.synthesis_path.exists()

    def test_a_tool_that_fails(
        self, run: Run, bin_folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run.synthesis_path.write_text("{}")
        install_tool(bin_folder, "vitis_hls", {}, 1, "ERROR: no licence")
        code, _, err = self.convert(run, capsys, "--synthesize")
        assert code == 2
        assert len(err.strip().splitlines()) == 1
        assert "vitis_hls must end with 0, got 1: ERROR: no licence" in err
        assert "synthesis.log" in err
        assert (run.firmware_folder / "synthesis.log").read_text().endswith("ERROR: no licence\n")
        assert run.is_finished("convert")
        assert not run.synthesis_path.exists()

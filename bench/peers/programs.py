"""What the comparisons with PyTorch share: its virtual environment, and how a program's result is read."""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from environment import python_of  # noqa: E402

VENV = pathlib.Path.home() / ".cache" / "pleiad" / "peers"


def torch_python(folder):
    """The interpreter that has PyTorch for the processor and transformers; they are installed the first time."""
    return python_of(folder, ["torch", "transformers"], ["torch==2.8.0", "transformers", "numpy", "sentencepiece", "protobuf"])


def run_in(folder):
    """Starts the script that is running anew by that interpreter, unless it is run by it already."""
    python = torch_python(folder)
    if pathlib.Path(sys.prefix).resolve() != folder.resolve():
        os.execv(python, [str(python), *sys.argv])


def last_json(command, timeout_s):
    """The object in the last line of a program's output, or None and why."""
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return None, f"no result in {timeout_s} s"
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        how = f"killed by signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        return None, how + ": " + (done.stderr.strip().splitlines() or ["no output"])[-1][:160]
    return json.loads(lines[-1]), ""


def must(command, timeout_s):
    """The object in the last line of a program's output; ends with why there is none."""
    result, why = last_json(command, timeout_s)
    if result is None:
        sys.exit(f"{' '.join(str(c) for c in command)}: {why}")
    return result

"""The virtual environments in which scripts find the libraries that they compare with."""
import subprocess
import sys
import venv


def python_of(folder, modules, packages):
    """The interpreter of the environment in `folder` that imports `modules`; it is made of `packages` when it is missing."""
    python = folder / "bin" / "python"
    if python.exists() and subprocess.run([python, "-c", f"import {', '.join(modules)}"], capture_output=True).returncode == 0:
        return python
    print(f"installing {' '.join(packages)} into {folder} ...", file=sys.stderr)
    venv.create(folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python

"""MONAI Label's server on the bundle: python label_server.py BUNDLE FOLDER.

By HTTP: a volume is segmented, three masks are saved as final, one epoch is trained on them, and what was trained is
published and segments. Each mask is compared with that of the bundle's own inference, its geometry with the volume's.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import nibabel as nib
import numpy as np
import psutil
import yaml
from own_inference import check_equal, make_volume, own_mask

# Modules that the server imports and whose work nothing here asks for: pictures of classifiers, and DICOM-SEG by a
# package that does not take pydicom 3 (its issue 60). What does not import gets a stand-in.
STAND_INS = {"torchvision": ("utils", "make_grid = save_image = None\n"), "pydicom_seg": ("template", "")}
STARTED, ANSWERED, TRAINED, ENDED = 300, 120, 900, 60  # seconds to wait for each

bundle, work = map(Path, sys.argv[1:3])
name = bundle.name


def lay_stand_ins() -> str:
    """Lay what does not import where the server finds it, and say what."""
    laid = []
    for package, (module, content) in STAND_INS.items():
        importing = [sys.executable, "-c", f"import {package}.{module}"]
        if subprocess.run(importing, check=False, capture_output=True).returncode == 0:
            continue
        folder = work / "stand_ins" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(f"from . import {module}\n")
        (folder / f"{module}.py").write_text(content)
        laid.append(package)
    return f", with stand-ins for {' and '.join(laid)}, which nothing here asks for" if laid else ""


def lay_app() -> Path:
    """Its app for bundles with this one in it, as a user lays it; returns the bundle."""
    shipped = Path(sys.prefix) / "monailabel" / "sample-apps" / "monaibundle"
    shutil.copytree(shipped, work / "app", ignore=shutil.ignore_patterns("__pycache__"))
    return Path(shutil.copytree(bundle, work / "app" / "model" / name))


@contextmanager
def server() -> Iterator[httpx.Client]:
    """The server, in a process group of its own that is ended whole."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", "app", "--studies", "studies"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    for key, value in {"models": name, "zoo_source": "local", "sam2": "false"}.items():
        command += ["--conf", key, value]
    own = {"PYTHONPATH": str(work / "stand_ins"), "MONAI_LABEL_SESSION_PATH": str(work / "sessions")}
    with (work / "server.txt").open("w") as log:
        process = subprocess.Popen(
            command, cwd=work, env={**os.environ, **own}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=ANSWERED, trust_env=False) as client:
                wait(lambda: is_up(process, client), STARTED, "the server has not started")
                yield client
        finally:
            end(process)


def is_up(process: subprocess.Popen, client: httpx.Client) -> bool:
    """Whether the server answers; that it has ended is an error."""
    assert process.poll() is None, f"the server has ended with {process.returncode}; {work / 'server.txt'}"
    with suppress(httpx.TransportError):
        return client.get("/info/").status_code == 200
    return False


def end(process: subprocess.Popen) -> None:
    """End the server and whatever it has started; none of them is left."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(ENDED)
            break
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    wait(lambda: not members(process.pid), ENDED, "processes of the server are left")


def members(group: int) -> list[psutil.Process]:
    """The processes of a group that are at work."""
    found = []
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def wait(ready: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Wait until something is so, or end with a message."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{otherwise} within {seconds:.0f} s; {work / 'server.txt'}"
        time.sleep(0.5)


def answer(response: httpx.Response) -> httpx.Response:
    """A response that is none of an error."""
    assert response.status_code == 200, f"{response.request.url} answered {response.status_code}: {response.text[:200]}"
    return response


def segment(client: httpx.Client, source: Path, folder: Path) -> nib.Nifti1Image:
    """The mask that ``/infer`` answers with."""
    place = {"image": source.name.removesuffix(".nii.gz"), "output": "image"}
    response = client.post(f"/infer/{name}", params=place, data={"params": json.dumps({"device": "cpu"})})
    folder.mkdir()
    file = folder / "mask.nii.gz"
    file.write_bytes(answer(response).content)
    mask, volume = nib.load(file), nib.load(source)
    assert mask.shape == volume.shape, f"the mask is {mask.shape}, the volume {volume.shape}"
    np.testing.assert_allclose(mask.affine, volume.affine, atol=1e-5)
    return mask


def train(client: httpx.Client) -> None:
    """One epoch by ``/train``, waited for."""
    answer(client.post(f"/train/{name}", json={"max_epochs": 1, "device": "cpu"}))
    wait(lambda: answer(client.get("/train/")).json()["status"] in {"DONE", "ERROR"}, TRAINED, "it has not trained")
    task = client.get("/train/").json()
    assert task["status"] == "DONE", f"the training failed: {task['details'][-1]}"


stood_in, laid = lay_stand_ins(), lay_app()
source = make_volume(work, np.array([[0.8, -0.6, 0, 4], [0.6, 0.8, 0, -7], [0, 0, 3, 2], [0, 0, 0, 1.0]]))
studies, labels = work / "studies", work / "labels"
studies.mkdir()
labels.mkdir()
for number in range(3):
    case = nib.load(source)
    noise = np.random.default_rng(number).normal(size=case.shape) * (number > 0)  # the first is the one to segment
    block = np.zeros(case.shape, np.uint8)
    block[10:25, 10:25, 2:5] = 1
    volume = (case.get_fdata() + noise).astype(np.float32)
    nib.Nifti1Image(volume, case.affine).to_filename(studies / f"case_{number}.nii.gz")
    nib.Nifti1Image(block, case.affine).to_filename(labels / f"case_{number}.nii.gz")

expected = own_mask(laid, work, source).get_fdata()
with server() as client:
    mask = segment(client, studies / "case_0.nii.gz", work / "first").get_fdata()
    check_equal(mask, expected)
    for file in sorted(labels.iterdir()):
        with file.open("rb") as stream:
            place = {"image": file.name.removesuffix(".nii.gz")}
            answer(client.put("/datastore/label", params=place, files={"label": (file.name, stream)}))
    train(client)
    run = (laid / "runs" / "latest").resolve()
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["max_epochs"] == 1, f"it was to train for 1 epoch, the run says {config['max_epochs']}"
    cases = {part: len(names) for part, names in json.loads((run / "split.json").read_text())["cases"].items()}
    assert cases == {"train": 2, "val": 1, "test": 0}, f"three masks were saved, the run has {cases}"
    publishing = ["publishing", "--config_file", str(laid / "configs" / "publish.yaml"), "--run_name", run.name]
    subprocess.run([sys.executable, "-m", "monai.bundle", "run", *publishing], cwd=work, check=True)
    assert (laid / "models" / "model.pt").read_bytes() != (bundle / "models" / "model.pt").read_bytes()
    (work / "after").mkdir()
    after = segment(client, studies / "case_0.nii.gz", work / "second").get_fdata()
    np.testing.assert_array_equal(after, own_mask(laid, work / "after", source).get_fdata())
print(
    f"seen: the server{stood_in}; /infer's mask, {int(mask.sum())} of {mask.size} voxels foreground, equals that of "
    "the bundle's own inference and has the volume's size and affine; /train trained one epoch on two of three volumes "
    f"with final masks and validated on the third; published, /infer gives the new network's mask, {int(after.sum())} "
    "voxels, again the bundle's own; no process is left"
)

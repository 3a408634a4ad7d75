"""The text files of a bundle, read by the parsers of those who read them, and held against each other."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from config_protos import BatchingParameters, MonitoringConfig
from google.protobuf import text_format
from places import ROOT

from yolo_tf.export.serving.files import BATCH_SIZES, FLAGS, SERVER_VERSION, serving_files

# of tensorflow_model_server --help, those that a bundle uses
KNOWN_FLAGS = {
    "model_config_file": "/config/models.config",
    "batching_parameters_file": "/config/batching_parameters.txt",
    "monitoring_config_file": "/config/monitoring.config",
    "model_config_file_poll_wait_seconds": "30",
    "allow_version_labels_for_unavailable_models": "true",
    "enable_batching": "true",
}


@pytest.fixture(params=["tiny", "Cells_v1.2"])
def name(request):
    return request.param


@pytest.fixture
def compose(name):
    return yaml.safe_load(serving_files(name)["compose.yaml"])


@pytest.fixture
def kubernetes(name):
    """(Deployment, Service)."""
    return list(yaml.safe_load_all(serving_files(name)["kubernetes.yaml"]))


def test_the_flags_are_the_server_s():
    assert dict(flag.removeprefix("--").split("=") for flag in FLAGS) == KNOWN_FLAGS


def test_batching_parameters():
    """Sizes ascend and end with the largest batch, or the server refuses to start."""
    batching = text_format.Parse(serving_files("tiny")["serving/batching_parameters.txt"], BatchingParameters())
    sizes = list(batching.allowed_batch_sizes)
    assert sizes == sorted(set(sizes)) == list(BATCH_SIZES) and sizes[-1] == batching.max_batch_size.value == 8
    assert batching.batch_timeout_micros.value == 5000
    assert batching.max_enqueued_batches.value == 64 and batching.num_batch_threads.value == 4


def test_monitoring():
    files = serving_files("tiny")
    monitoring = text_format.Parse(files["serving/monitoring.config"], MonitoringConfig())
    assert monitoring.prometheus_config.enable
    assert f"http://127.0.0.1:8501{monitoring.prometheus_config.path}\n" in files["README.md"]
    deployment = next(yaml.safe_load_all(files["kubernetes.yaml"]))
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] == monitoring.prometheus_config.path


def test_compose(compose, name):
    ((service, settings),) = compose["services"].items()
    assert re.fullmatch("[a-z0-9-]+", service) and settings["image"] == f"tensorflow/serving:${{TFS_VERSION:-{SERVER_VERSION}}}"
    assert tuple(settings["command"]) == FLAGS
    mounts = dict(volume.removesuffix(":ro").split(":") for volume in settings["volumes"])
    assert mounts == {"./models": "/models", "./serving": "/config"}
    assert all(Path(file).parts[0] in ("serving", "models") or "/" not in file for file in serving_files(name))
    assert all(port.startswith("127.0.0.1:") for port in settings["ports"])
    command = settings["healthcheck"]["test"]
    assert command[:3] == ["CMD", "bash", "-c"] and f"GET /v1/models/{name} HTTP/1.0\\r\\n\\r\\n" in command[3]
    assert "$" not in command[3]  # Compose would replace it


def test_compose_reads_it(tmp_path):
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode if shutil.which("docker") else True:
        pytest.skip("needs Docker Compose")
    (tmp_path / "compose.yaml").write_text(serving_files("Cells_v1.2")["compose.yaml"])
    subprocess.run(["docker", "compose", "--file", tmp_path / "compose.yaml", "config", "--quiet"], check=True)


def test_the_smoke_script_says_that_it_needs_docker(tmp_path):
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    script = ROOT / "scripts" / "smoke_tf_serving.sh"
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    finished = subprocess.run([script, tmp_path, "tiny", "photo.jpg"], capture_output=True, text=True, env=environment)
    assert finished.returncode == 2 and "no Docker daemon answers" in finished.stderr
    assert subprocess.run([script], capture_output=True, env=environment).returncode == 2


def test_kubernetes(kubernetes, name):
    """What refers to what: selectors, ports by name, volumes, the address of the probes."""
    deployment, service = kubernetes
    assert (deployment["apiVersion"], deployment["kind"]) == ("apps/v1", "Deployment")
    assert (service["apiVersion"], service["kind"]) == ("v1", "Service")
    for thing in kubernetes:  # RFC 1035 label
        assert re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", thing["metadata"]["name"]) and len(thing["metadata"]["name"]) < 64
    template = deployment["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels == service["spec"]["selector"]
    (container,) = template["spec"]["containers"]
    assert container["image"] == f"tensorflow/serving:{SERVER_VERSION}" and tuple(container["args"]) == FLAGS
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == ports
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in template["spec"]["volumes"]}
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/models", "/config"}
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": f"/v1/models/{name}", "port": "rest"}
    assert container["livenessProbe"]["tcpSocket"] == {"port": "grpc"}
    readme = serving_files(name)["README.md"]
    for volume in template["spec"]["volumes"]:
        made = volume.get("configMap", {}).get("name") or volume["persistentVolumeClaim"]["claimName"]
        assert made in readme


def test_the_readme_names_the_files(name):
    files = serving_files(name)
    for file in [*files, "serving/models.config", f"models/{name}/N/"]:
        assert f"`{file}`" in files["README.md"] or file == "README.md"
    assert not re.findall("[{}]{2}", files["README.md"].replace("}]}'", ""))  # no brace left of the template

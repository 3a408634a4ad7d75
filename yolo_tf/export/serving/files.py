"""The text files of a serving bundle: batching, monitoring, Docker Compose, Kubernetes, README."""

import re

BATCH_SIZES = (1, 2, 4, 8)  # batches that the server makes; few, for each is warmed up
SERVER_VERSION = "2.20.0"  # newest release of TensorFlow Serving; runs what TensorFlow 2.21 writes
METRICS = "/monitoring/prometheus/metrics"
FLAGS = (
    "--model_config_file=/config/models.config",
    "--model_config_file_poll_wait_seconds=30",
    "--allow_version_labels_for_unavailable_models=true",
    "--enable_batching=true",
    "--batching_parameters_file=/config/batching_parameters.txt",
    "--monitoring_config_file=/config/monitoring.config",
)

BATCHING = """\
# Requests that wait together run as one batch. Sizes between the allowed ones are filled up to the next.
max_batch_size {{ value: {largest} }}
batch_timeout_micros {{ value: 5000 }}
max_enqueued_batches {{ value: 64 }}
num_batch_threads {{ value: 4 }}
{allowed}
"""

MONITORING = f"""\
prometheus_config {{
  enable: true
  path: "{METRICS}"
}}
"""

COMPOSE = """\
# docker compose up --detach --wait     (TFS_VERSION=... for another version of the image)
services:
  {object_name}:
    image: tensorflow/serving:${{TFS_VERSION:-{server_version}}}
    # The server asks nobody who they are: reachable from this machine only.
    ports: ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]
    volumes: ["./models:/models:ro", "./serving:/config:ro"]
    command:
{flags}
    restart: unless-stopped
    healthcheck: # the image has bash and no curl
      test:
        - CMD
        - bash
        - -c
        - exec 3<>/dev/tcp/127.0.0.1/8501 && printf 'GET /v1/models/{name} HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q AVAILABLE <&3
      interval: 10s
      timeout: 5s
      start_period: 120s
"""

KUBERNETES = """\
# Needs a ConfigMap {object_name}-config made of serving/ and a volume claim {object_name}-models that holds models/: README.md
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {object_name}
  labels: {{app: {object_name}}}
spec:
  replicas: 1
  selector:
    matchLabels: {{app: {object_name}}}
  template:
    metadata:
      labels: {{app: {object_name}}}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "8501"
        prometheus.io/path: {metrics}
    spec:
      containers:
        - name: tensorflow-serving
          image: tensorflow/serving:{server_version}
          args:
{flags}
          ports:
            - {{name: grpc, containerPort: 8500}}
            - {{name: rest, containerPort: 8501}}
          volumeMounts:
            - {{name: models, mountPath: /models, readOnly: true}}
            - {{name: config, mountPath: /config, readOnly: true}}
          resources:
            requests: {{cpu: "2", memory: 2Gi}}
            limits: {{memory: 4Gi}}
          startupProbe: # the ports open once every version is loaded and warmed up
            httpGet: {{path: /v1/models/{name}, port: rest}}
            periodSeconds: 5
            failureThreshold: 60
          readinessProbe:
            httpGet: {{path: /v1/models/{name}, port: rest}}
            periodSeconds: 10
          livenessProbe:
            tcpSocket: {{port: grpc}}
            periodSeconds: 20
      volumes:
        - name: models
          persistentVolumeClaim: {{claimName: {object_name}-models}}
        - name: config
          configMap: {{name: {object_name}-config}}
---
apiVersion: v1
kind: Service
metadata:
  name: {object_name}
spec:
  selector: {{app: {object_name}}}
  ports:
    - {{name: grpc, port: 8500, targetPort: grpc}}
    - {{name: rest, port: 8501, targetPort: rest}}
"""

README = """\
# {name} in TensorFlow Serving

Written by `yolo-tf serve-bundle`. Each version was compared with its network before it appeared here. The server image was
not run for that: docs/serving.md of yolo_tf says what was.

| | |
|---|---|
| `models/{name}/N/` | version N: SavedModel, warm-up requests, class names in `assets.extra/detector.json` |
| `serving/models.config` | the versions that are served, and their labels |
| `serving/batching_parameters.txt` | how requests become batches |
| `serving/monitoring.config` | metrics for Prometheus |
| `compose.yaml`, `kubernetes.yaml` | how to run the server |

## Run

    docker compose up --detach --wait

    kubectl create configmap {object_name}-config --from-file=serving
    # copy models/ into the volume claim {object_name}-models, then
    kubectl apply --filename kubernetes.yaml

## Ask

    URL=http://127.0.0.1:8501/v1/models/{name}
    curl --fail $URL                          # health: the state of each version, AVAILABLE
    curl --fail $URL/labels/stable/metadata   # signatures: names, types, shapes
    curl --fail http://127.0.0.1:8501{metrics}

    printf '{{"signature_name": "image_bytes", "instances": [{{"b64": "%s"}}]}}' "$(base64 --wrap 0 photo.jpg)" |
      curl --fail --data @- $URL/labels/stable:predict

The answer has `boxes` (x1, y1, x2, y2 in px of the photo, best first), `scores`, `class_ids`, `num_detections`: entries beyond
it are filler. `status` 0 means served; else the image was 1 empty, 2 of an unknown format, 3 too large, 4 unreadable, and the
others of the request are served all the same. A request holds up to {largest} images. gRPC: port 8500, the same signatures.

## Two versions side by side

    yolo-tf serve-bundle NEW.keras --name {name} --out THIS_DIRECTORY

adds the next version as `canary`; `stable` stays where it is, an older canary is not served any more. A running server reads
`serving/models.config` every 30 seconds; until it has loaded the new version, requests to `canary` fail. Clients choose:

    $URL/labels/stable:predict      $URL/labels/canary:predict      $URL/versions/2:predict

A request without label and version goes to the highest number, that is the canary: production clients name `stable`.
Send a share of them to `canary`, and compare. To promote, set both labels in `serving/models.config` to the new version; to
roll back, set `canary` to the version of `stable`. The server gives a label that is in use only to a version that is already
loaded, so leave both versions in `model_version_policy` until the labels have moved. In Kubernetes, after each change:

    kubectl create configmap {object_name}-config --from-file=serving --dry-run=client --output=yaml | kubectl apply --filename -
"""


def serving_files(name):
    """Returns {path in the bundle: text} of all that is the same whatever the versions.

    Args:
        name: of the model, letters, digits and `._-`.
    """
    words = {
        "name": name,
        "object_name": "tf-serving-" + re.sub("[^a-z0-9]", "-", name.lower()),  # the names that Kubernetes allows
        "server_version": SERVER_VERSION,
        "metrics": METRICS,
        "largest": BATCH_SIZES[-1],
        "allowed": "\n".join(f"allowed_batch_sizes: {size}" for size in BATCH_SIZES),
    }
    compose_flags = "\n".join(f"      - {flag}" for flag in FLAGS)
    kubernetes_flags = "\n".join(f"            - {flag}" for flag in FLAGS)
    return {
        "serving/batching_parameters.txt": BATCHING.format(**words),
        "serving/monitoring.config": MONITORING,
        "compose.yaml": COMPOSE.format(**words, flags=compose_flags),
        "kubernetes.yaml": KUBERNETES.format(**words, flags=kubernetes_flags),
        "README.md": README.format(**words),
    }

#!/usr/bin/env bash
# The real TensorFlow Serving image on a bundle: starts it, checks health, asks over REST and gRPC, stops it.
#   scripts/smoke_tf_serving.sh BUNDLE NAME IMAGE...      (TFS_VERSION=2.20.0)
# Needs Docker with Compose, and the image tensorflow/serving; PYTHON with pip install 'yolo_tf[serving]'.
set -euo pipefail

if [ $# -lt 3 ]; then
  echo "usage: $0 BUNDLE NAME IMAGE..." >&2
  exit 2
fi
if ! docker info >/dev/null 2>&1; then
  echo "$0: no Docker daemon answers. Expected one, for the server comes as an image. Start Docker, or run this elsewhere." >&2
  exit 2
fi
bundle=$1 name=$2
shift 2
scripts=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
answers=$(mktemp -d)
compose=(docker compose --file "$bundle/compose.yaml")

stop() {
  "${compose[@]}" logs --no-color --tail 50 >"$answers/server.log" 2>&1 || true
  "${compose[@]}" down --timeout 10
}
trap stop EXIT

"${compose[@]}" up --detach --wait --wait-timeout 300
for client in rest grpc; do
  "$python" "$scripts/serve_client_$client.py" --name "$name" --check
  "$python" "$scripts/serve_client_$client.py" --name "$name" --json "$answers/$client.json" "$@"
done
"$python" - "$answers" <<'COMPARE'
import json, pathlib, sys
rest, grpc = (json.loads((pathlib.Path(sys.argv[1]) / f"{kind}.json").read_text()) for kind in ("rest", "grpc"))
assert len(rest) == len(grpc) > 0
for one, other in zip(rest, grpc):
    assert (one["image"], one["status"], len(one["detections"])) == (other["image"], other["status"], len(other["detections"]))
    for a, b in zip(one["detections"], other["detections"]):
        assert a["class_id"] == b["class_id"] and abs(a["score"] - b["score"]) < 1e-4, (a, b)
        assert max(abs(x - y) for x, y in zip(a["box"], b["box"])) < 0.05, (a, b)
print(f"{len(rest)} images: REST and gRPC agree on {sum(len(one['detections']) for one in rest)} detections")
COMPARE
metrics=$(curl --fail --silent http://127.0.0.1:8501/monitoring/prometheus/metrics)
grep -m 1 tensorflow <<<"$metrics"
echo "passed; answers and log: $answers"

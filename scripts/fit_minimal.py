"""Train a detector with plain Keras: compile, fit, save.   python scripts/fit_minimal.py [--epochs 2]"""

import argparse

import keras

from yolo_tf import (
    COCO_ANCHORS,
    AugmentConfig,
    DataConfig,
    DetectConfig,
    DetectorTrainer,
    ModelConfig,
    TrainConfig,
    build_network,
    decode_predictions,
    detector_spec,
    make_train_dataset,
    read_dataset,
    read_source,
    save_network,
    steps_per_epoch,
    suppress,
)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", default="configs/datasets/shapes.yaml", help="data set YAML")
parser.add_argument("--path", default="", help="root of the data, instead of the YAML's path")
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--out", default="runs/fit_minimal.keras", help="where the network is saved")
arguments = parser.parse_args()

dataset = read_dataset(read_source(arguments.data, path=arguments.path), "train")
data, train = DataConfig(image_size=(160, 160)), TrainConfig(epochs=arguments.epochs, batch_size=16)
batches = make_train_dataset(dataset, data=data, augment=AugmentConfig(), train=train)

network = build_network(ModelConfig(), num_classes=len(dataset.class_names), anchors=COCO_ANCHORS)
trainer = DetectorTrainer(network, COCO_ANCHORS)
trainer.compile(optimizer=keras.optimizers.AdamW(1e-3, global_clipnorm=10.0), jit_compile=False)
trainer.fit(batches, epochs=train.epochs, steps_per_epoch=steps_per_epoch(dataset, train.batch_size), shuffle=False)

spec = detector_spec(class_names=dataset.class_names, image_size=data.image_size, anchors=COCO_ANCHORS)
save_network(network, spec, arguments.out)  # opens with Keras alone, and with every yolo-tf command
images, _ = next(iter(batches))
detections = suppress(*decode_predictions(network(images), COCO_ANCHORS), DetectConfig(score_threshold=0.1))
print(f"saved {arguments.out}; objects found in the last batch: {detections.num_valid.numpy().tolist()}")

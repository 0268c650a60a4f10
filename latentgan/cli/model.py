"""Commands that use a trained model on images: encode, likelihood, classify, adversarial."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from analysis.cli.console import note
from latentgan.cli.images import Seed, augment, sample
from latentgan.cli.options import (
    Attributes,
    Boolean,
    Channels,
    Crop,
    Data,
    Device,
    FamilyOption,
    Group,
    Label,
    Mirror,
    Run,
    Size,
    SkipBad,
    command_line,
)

PANEL = "Use a model"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (encode, likelihood, sample, augment, classify, adversarial):
        app.command(rich_help_panel=PANEL)(command)


def encode(
    run: Run,
    out: Annotated[Path, typer.Option("--out", "-o", help="Parquet file to write.", show_default=False)],
    data: Data = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            help="Feature layer, network.layer; may be repeated. Planes are pooled as --pool says, or as "
            "network.layer.mean2 or network.layer.max4 do. Default: the last layer of each network; `none`."
        ),
    ] = None,
    pool: Annotated[
        int, typer.Option(min=0, max=256, help="Max-pool convolutional features to N×N cells; 0 keeps them whole.")
    ] = 4,
    baselines: Annotated[
        bool, typer.Option(help="Also the untrained network's codes and features, and the pixels.")
    ] = True,
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", help="An encoder beside: onnx:FILE, torchscript:FILE or timm:NAME; may be repeated."),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Safetensors of a timm model.")] = None,
    with_size: Annotated[
        int | None,
        typer.Option(min=8, max=2048, help="Pixels a side that such an encoder takes, where it does not say."),
    ] = None,
    normalisation: Annotated[
        Literal["imagenet", "clip", "half", "none"],
        typer.Option(help="Mean and deviation of the pixels that such an encoder was trained on; none: 0 to 1."),
    ] = "imagenet",
    device: Device = "auto",
    family: FamilyOption = None,
    attributes: Attributes = None,
    label: Label = None,
    group: Group = None,
    boolean: Boolean = None,
    size: Size = None,
    crop: Crop = False,
    channels: Channels = None,
    skip_bad: SkipBad = False,
    mirror: Mirror = None,
) -> None:
    """Write the table of codes: one row an image, readable with pandas.read_parquet.

    Without --data the run's own images are encoded. An interrupted encode goes on where it stopped. --with adds the
    features of a foundation model from a file of yours, which analyses then show as one more representation.

        latentgan encode runs/mnist --out mnist.parquet --features discriminator.conv2

        latentgan encode runs/faces --out faces.parquet --with onnx:dinov2.onnx
    """
    from latentgan.inference import stages

    options: dict[str, object] = {"attributes": attributes, "label": label, "group": group, "size": size, "crop": crop}
    options |= {"boolean": boolean, "channels": channels, "skip_bad": skip_bad, "mirror": mirror}
    table = stages.encode(
        run,
        out,
        data=data,
        options=options,
        features=features,
        pool=pool,
        baselines=baselines,
        foreign=with_ or (),
        weights=weights,
        side=with_size,
        normalisation=normalisation,
        device=device,
        family=family,
        command=command_line(),
    )
    note(f"table: {table}   next: latentgan analyze {shlex.quote(str(table))} --out results")


def likelihood(
    run: Run,
    data: Data = None,
    images: Annotated[int, typer.Option(min=1, help="Test images, drawn by the seed.")] = 1000,
    samples: Annotated[int, typer.Option(min=1, max=1_000_000, help="Importance samples an image.")] = 500,
    annealed: Annotated[int, typer.Option(min=0, help="How many of the images are annealed too; 0 is none.")] = 100,
    chains: Annotated[int, typer.Option(min=1, max=10_000, help="Annealed chains an image.")] = 5,
    temperatures: Annotated[
        int, typer.Option(min=2, max=1_000_000, help="Temperatures from prior to posterior.")
    ] = 500,
    leapfrog: Annotated[int, typer.Option(min=1, max=10_000, help="Steps of a Hamiltonian transition.")] = 5,
    binarise: Annotated[
        Literal["threshold", "stochastic", "none"] | None,
        typer.Option(help="How Bernoulli pixels are made. Default: as in training, grey ones by a draw."),
    ] = None,
    seed: Seed = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    device: Device = "auto",
    family: FamilyOption = None,
    mirror: Mirror = None,
) -> None:
    """Estimate how probable test images are under a model with a likelihood (avb, vae): log p(x) in nats an image.

    By importance sampling (Burda et al. 2016) and by annealed importance sampling (Neal 2001), both lower bounds in the
    mean, compared with the criterion of training and with independent pixels. Each figure has its standard error over
    images. All are written to RUN/likelihood.json, and the report shows them.

        latentgan likelihood runs/avb --images 1000 --samples 500 --chains 5
    """
    from latentgan.inference import stages
    from latentgan.inference.importance_sampling import Annealing
    from latentgan.inference.log_likelihood import FILE, Plan, show

    plan = Plan(
        images=images,
        samples=samples,
        annealed_images=annealed,
        annealing=Annealing(temperatures=temperatures, chains=chains, leapfrog=leapfrog),
        binarise=binarise,
        seed=seed,
    )
    result = stages.likelihood(run, plan, data=data, options={"mirror": mirror}, device=device, family=family)
    show(result, plan, as_json=json_)
    note(f"wrote {run / FILE}")


def classify(
    run: Run,
    images: Annotated[list[Path], typer.Argument(help="Image files to classify.", show_default=False)],
    probe: Annotated[
        Path | None,
        typer.Option(help="Fitted probe, of `latentgan probe TABLE --save FILE.npz`.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
    crop: Crop = False,
    device: Device = "auto",
    family: FamilyOption = None,
) -> None:
    """Classify image files by a probe that was fitted to the run's features.

    Prints each file's most probable class and its probability, and below them the probe's accuracy on test images.
    Families that learned classes themselves (aae_semi, improved_gan, ali_semi) need no probe.

        latentgan probe codes.parquet --code discriminator.dense1 --save probe.npz

        latentgan classify runs/mnist digit.png --probe probe.npz
    """
    import json
    from dataclasses import asdict

    from analysis.probes.saved_probe import load_probe
    from analysis.terminal import clean
    from latentgan.inference.classify import classify_files

    fitted = None if probe is None else load_probe(probe)
    named = classify_files(run, images, probe=fitted, crop=crop, device=device, family=family)
    if as_json:
        accuracy = None if fitted is None else asdict(fitted.accuracy)
        body = {"kind": "classes", "test_accuracy": accuracy, "images": [asdict(prediction) for prediction in named]}
        typer.echo(json.dumps(body, indent=1, ensure_ascii=False))
        return
    width = max(len(clean(prediction.file)) for prediction in named)
    for prediction in named:
        typer.echo(f"{clean(prediction.file):{width}}  {clean(prediction.label)}  {100 * prediction.probability:.1f} %")
    if fitted is not None:
        right = fitted.accuracy
        note(f"the probe classifies {right.percent()} of {right.n:,} test images correctly")


def adversarial(
    run: Run,
    probe: Annotated[
        Path, typer.Option(help="Fitted probe, of `latentgan probe TABLE --save FILE.npz`.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Results folder to save into.", show_default=False)
    ] = None,
    epsilon: Annotated[
        list[float] | None,
        typer.Option(
            help="Largest change of a pixel in [0, 1]; may be repeated. Default 0.01 0.02 0.05 0.1 0.2.",
            show_default=False,
        ),
    ] = None,
    count: Annotated[int, typer.Option("-n", "--count", min=2, help="Test images, drawn by the seed.")] = 500,
    steps: Annotated[int, typer.Option(min=1, max=100_000, help="Steps of PGD.")] = 10,
    data: Data = None,
    label: Label = None,
    mirror: Mirror = None,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
    device: Device = "auto",
    family: FamilyOption = None,
) -> None:
    """Measure how much of a probe's accuracy survives small adversarial changes of the pixels.

    FGSM and PGD follow the gradient of the probe's loss through the networks to the pixels. The baselines are a probe
    of raw pixels and one of the untrained network, each attacked through its own gradient, and noise of the same size;
    all with n and 95 % intervals at every epsilon. With --out the images go into the report.

        latentgan probe codes.parquet --code discriminator.dense1 --save probe.npz

        latentgan adversarial runs/mnist --probe probe.npz --out results
    """
    from analysis.cli.job import study_run_images
    from analysis.probes.saved_probe import load_probe
    from analysis.robustness.study import Network, study_adversarial
    from latentgan.evaluation.probe_gradients import attackable, probe_features, probe_gradients
    from latentgan.inference.image_files import load_images
    from latentgan.inference.provenance import same_checkpoint

    fitted, options = load_probe(probe), {"label": label, "mirror": mirror}
    at = attackable(
        run,
        fitted,
        lambda recorded: load_images(recorded, data, options),
        images=count,
        seed=seed,
        device=device,
        family=family,
    )
    if out is not None:
        same_checkpoint(run, out)
    trained = Network(probe_features(at.model, fitted), probe_gradients(at.model))
    untrained = (
        None if at.untrained is None else Network(probe_features(at.untrained, fitted), probe_gradients(at.untrained))
    )
    study_run_images(
        "robustness",
        lambda tell: study_adversarial(
            fitted,
            trained,
            untrained,
            at.train,
            at.validation,
            at.test,
            progress=tell,
            epsilons=epsilon or (0.01, 0.02, 0.05, 0.1, 0.2),
            steps=steps,
            seed=seed,
            notes=at.notes,
        ),
        out=out,
        as_json=as_json,
        inputs=[probe],
    )

"""What the notebooks of this folder share: a server to ask, pictures to send, runs to look at, and how plots look.

Nothing here is needed to use Torchlit; see docs/source/clients.md for clients.
"""

import atexit
import json
import os
import pathlib
import random
import subprocess
import threading

import matplotlib as mpl
import requests
from PIL import Image, ImageDraw, ImageFilter

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "bin" / "torchlit"
CIFAR10 = ROOT / "data" / "processed" / "cifar10"
# What the notebooks write. TORCHLIT_NOTEBOOKS chooses another folder.
SCRATCH = pathlib.Path(os.environ.get("TORCHLIT_NOTEBOOKS", ROOT / "runs" / "notebooks"))

EMBER, BLUE, GOLD, PLUM, TEAL, GREY, LINE = "#b5480b", "#2a6a9e", "#d09a1c", "#84417d", "#2c9478", "#6d6052", "#e0d5c3"
EMBERS = mpl.colors.LinearSegmentedColormap.from_list("ember", ["white", EMBER])


def style():
    """Plots with few lines, in the colours of Torchlit's own reports."""
    mpl.rcParams.update({
        "figure.dpi": 110, "figure.constrained_layout.use": True, "font.size": 9.5, "axes.titlesize": 10.5, "axes.titlelocation": "left",
        "axes.titleweight": "bold", "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": LINE,
        "axes.grid": True, "axes.axisbelow": True, "grid.color": LINE, "grid.linewidth": 0.6, "xtick.color": GREY, "ytick.color": GREY,
        "axes.labelcolor": GREY, "legend.frameon": False, "lines.linewidth": 1.8,
        "axes.prop_cycle": mpl.cycler(color=[EMBER, BLUE, GOLD, PLUM, TEAL]),
    })


def torchlit(*args, accept=(0,)):
    """Runs the program and returns what it prints; an exit code that is not accepted is an error, with what the program says about it."""
    if not PROGRAM.exists():
        raise FileNotFoundError(f"there is no {PROGRAM.relative_to(ROOT)}: run 'make build' first")
    done = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True)
    if done.returncode not in accept:
        raise RuntimeError(f"torchlit {args[0]} failed:\n{done.stderr.strip()}")
    return done.stdout


class Server:
    """A server on a free port of this machine's loopback, until stop() or the end of the notebook."""

    def __init__(self, *flags):
        if not PROGRAM.exists():
            raise FileNotFoundError(f"there is no {PROGRAM.relative_to(ROOT)}: run 'make build' first")
        self.process = subprocess.Popen([PROGRAM, "serve", "--addr", "127.0.0.1:0", *map(str, flags)], stderr=subprocess.PIPE, text=True)
        atexit.register(self.stop)
        said = []
        for line in self.process.stderr:
            said.append(line)
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("msg") == "ready":
                self.url = event["page"]
                threading.Thread(target=self.process.stderr.read, daemon=True).start()
                return
        raise RuntimeError("the server did not start:\n" + "".join(said))

    def stop(self):
        self.process.terminate()
        self.process.wait()


def find_server():
    """The address of TORCHLIT_URL, of 'make serve' where that runs, or of a server that is started now."""
    if url := os.environ.get("TORCHLIT_URL"):
        return url.rstrip("/")
    try:
        if requests.get("http://localhost:8080/readyz", timeout=1).ok:
            return "http://localhost:8080"
    except requests.ConnectionError:
        pass
    return Server().url


SHAPES = ["circle", "cross", "ring", "square", "triangle"]


def draw(shape, chance, side=32):
    """A picture of a shape, at a random place, size and colour, on a background that is not even."""
    scale = 4
    size = side * scale
    hue = chance.randrange(360)
    picture = Image.linear_gradient("L").resize((size, size)).rotate(chance.choice((0, 90, 180, 270)))
    picture = Image.merge("RGB", [picture.point(lambda v, a=chance.randint(60, 140): a + v // 4) for _ in range(3)])
    pen = ImageDraw.Draw(picture)
    r = size * chance.uniform(0.2, 0.34)
    x, y = (chance.uniform(r + 4, size - r - 4) for _ in range(2))
    colour = f"hsv({(hue + chance.randrange(-20, 21)) % 360}, {chance.randint(55, 95)}%, {chance.randint(60, 100)}%)"
    if shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif shape == "ring":
        pen.ellipse((x - r, y - r, x + r, y + r), outline=colour, width=round(r * 0.4))
    elif shape == "square":
        pen.rectangle((x - r * 0.85, y - r * 0.85, x + r * 0.85, y + r * 0.85), fill=colour)
    elif shape == "triangle":
        pen.polygon([(x, y - r), (x + r, y + r * 0.8), (x - r, y + r * 0.8)], fill=colour)
    else:
        w = r * 0.32
        pen.rectangle((x - r, y - w, x + r, y + w), fill=colour)
        pen.rectangle((x - w, y - r, x + w, y + r), fill=colour)
    picture = picture.filter(ImageFilter.GaussianBlur(chance.uniform(0, 1.2) * scale)).resize((side, side), Image.Resampling.LANCZOS)
    noise = Image.effect_noise((side, side), chance.uniform(10, 45))
    return Image.blend(picture, Image.merge("RGB", [noise] * 3), 0.25)


def drawn_images(train=120, test=100):
    """The folder of a small data set of drawn shapes, so many of each; it is made once."""
    folder = SCRATCH / f"shapes-{train}-{test}"
    if folder.exists():
        return folder
    part, chance = folder.with_suffix(".part"), random.Random(1)
    for split, count in ("train", train), ("test", test):
        for shape in SHAPES:
            (part / split / shape).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                draw(shape, chance).save(part / split / shape / f"{i:04}.png")
    part.rename(folder)
    return folder


def pictures(count):
    """So many pictures as (file, true class): test images of CIFAR-10 where 'make data' has put them, else drawn shapes."""
    folder = CIFAR10 / "test"
    if not folder.exists():
        folder = drawn_images() / "test"
    files = sorted(f for f in folder.glob("*/*") if f.suffix in (".png", ".jpg"))
    chosen = random.Random(7).sample(files, min(count, len(files)))
    return [(f, f.parent.name) for f in chosen]


def train(name, *settings):
    """The folder of a run that goes on from the bundled model to the drawn shapes: half a minute of a core, once for each name."""
    run = SCRATCH / name
    if not (run / "model" / "config.json").exists():
        torchlit("train", "data=base", f"data.dir={drawn_images()}", "data.batch_size=50", "data.image_size=16", "augment=none", "trainer.max_epochs=5",
                 f"init={ROOT / 'models' / 'cifar10-resnet18'}", "trainer.limit_train_batches=10", "trainer.threads=1", f"output_dir={run}", *settings)
    return run

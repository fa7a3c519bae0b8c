"""An example or more of each command, which its help ends with. A test asks every command for one."""

from __future__ import annotations

from typing import Any

EXAMPLES = """
longwave serve
longwave serve --host 0.0.0.0 --auth-file logins.txt
longwave serve --allow-host sound.example.org --visitors visitors
longwave mix scene.json --out scene.wav --stems stems.zip
longwave kit --prompt "heavy rain on a tin roof" --out kit.zip
longwave render infinite --prompt "heavy rain with distant thunder" --seconds 60 --out rain.flac
longwave render infinite --lane storm.txt --blend 8 --seconds 120
longwave render infinite --prompt "light rain" --continue-from field.wav --seconds 90
longwave render sparse --prompt "ocean waves on a shore" --seconds 80
longwave render sparse --prompt "a drum loop" --loop --bpm 120 --bars 4
longwave render dual --prompt "birds over a stream" --seconds 10 --acoustic-scale 2
longwave edit repaint TAKE --from 0:12 --to 0:15 --candidates 3
longwave edit extend TAKE --right 10 --prompt "rain that ends"
longwave edit splice TAKE OTHER --bridge 4
longwave edit loop TAKE --from 0:10 --to 0:20
longwave edit vary TAKE --share 0.4 --candidates 4
longwave batch takes.csv --out takes
longwave batch takes.csv --out takes --dry-run
longwave batch example > takes.csv
longwave batch work /shared/queue --once
longwave bench infinite --seconds 60 --json
longwave bench sparse --seconds 10 20 40 80 --json
longwave bench dual --seconds 10 --combinations
longwave bench batch --workers 1,2
longwave eval bandwidth --recordings field
longwave eval dual --w 1 --w 4 --json
longwave eval folder made --reference real --captions captions.csv --json
longwave eval paper litefocus --table 1 --dry-run
longwave eval passes --scale 4 --json
longwave eval pocket --quick
longwave eval realism --references recordings
longwave eval seams --prompts 10
longwave eval sparse --seconds 10 20 40 80 --json
longwave eval take take.flac --plot take.png
longwave eval voice --quick
longwave listen make infinite/ joined/ --kind ovl-rel --out study
longwave listen score answers-*.json --key study-key.json
longwave train corpus --preview corpus
longwave train judge --runs runs
longwave train vae --runs runs
longwave train vocoder --runs runs
longwave train extension --runs runs
longwave train clap --runs runs
longwave train clap-scenes --runs runs
longwave train unet --runs runs
longwave train guidance --runs runs
longwave train audioldm --runs runs
longwave train t5 --runs runs
longwave train audioldm2 --runs runs
longwave train encodec --runs runs
longwave train audiogen --runs runs
longwave train tango --runs runs
longwave train pocket-dcldm --runs runs
longwave train ldm-ag --runs runs
longwave train ldm-ag-vae --runs runs
longwave train voice-vocoder --runs runs
longwave train voiceldm --runs runs
longwave train pocket --out pocket
longwave train dcldm --manifest train.jsonl --init declare-lab/tango --out dcldm
longwave models list
longwave models download cvssp/audioldm-s-full-v2
longwave models verify pocket/audioldm
longwave models defaults cvssp/audioldm2
longwave models describe dcldm --placement down1+up1
longwave presets list
longwave presets show storm-passes
longwave presets validate mine.json
longwave library list rain
longwave library show TAKE
longwave library export TAKE --out rain.wav --lufs -14
longwave library delete TAKE
longwave library trash
longwave library restore TAKE
longwave library empty --yes
"""


def add_examples(root: Any, examples: str = EXAMPLES) -> None:
    """Let the help of each command below `root` end with the examples that are of it."""
    found: dict[int, tuple[Any, list[str]]] = {}
    for line in examples.strip().splitlines():
        command = command_of(root, line)
        if command is root:
            continue
        found.setdefault(id(command), (command, []))[1].append(line)
    for command, lines in found.values():
        said = f"{command.epilog}\n\n" if command.epilog else ""
        command.epilog = f"{said}Examples:\n" + "\n".join(lines)


def command_of(root: Any, line: str) -> Any:
    """The command that a line of the command line is for, or the group where it names none."""
    command = root
    for word in line.split()[1:]:
        below = getattr(command, "commands", {})
        name = word if word in below else getattr(command, "unnamed", "")
        if name not in below:
            break
        command = below[name]
    return command

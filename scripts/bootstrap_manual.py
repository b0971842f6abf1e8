"""`bootstrap_manual.py BOOTSTRAP DIRECTORY`: the manual page and the shells' completions of the bootstrap, from its --help."""

import pathlib
import re
import subprocess
import sys

# An option with what it takes, and the first line of what it does, which may stand on the next line.
OPTION = re.compile(r"  (--[a-z-]+(?: [A-Z]+)?)(?: {2,}(\S.*))?$")


def main(bootstrap, directory):
    text = subprocess.run([bootstrap, "--help"], capture_output=True, text=True, check=True).stdout
    version = subprocess.run([bootstrap, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    known = options(text)
    directory = pathlib.Path(directory)
    directory.joinpath("bootstrap.1").write_text(page(text, version, known))
    for file, completion in (("bootstrap.bash", bash), ("bootstrap.fish", fish), ("_bootstrap", zsh)):
        directory.joinpath(file).write_text(completion(known))


def options(text):
    """Each option with what it takes, and what it does."""
    found = []
    for line in section(text, "Options"):
        option = OPTION.match(line)
        if option:
            found.append([option[1], option[2] or ""])
        elif line.strip().startswith("--help"):
            found += [["--help", "Print this"], ["--version", "Print the version"]]
        else:
            found[-1][1] = f"{found[-1][1]} {line.strip()}".strip()
    return found


def section(text, heading):
    return re.search(rf"^{heading}:\n(.*?)(?=^\S|\Z)", text, re.M | re.S)[1].rstrip("\n").splitlines()


def page(text, version, known):
    summary, _, rest = text.partition("\n\n")
    prose = rest[rest.index("\n\n") + 2 : rest.index("Options:")].strip()
    lines = [f'.TH bootstrap 1 "" "{version}"', ".SH NAME", f"bootstrap \\- {plain(summary.rstrip('.'))}", ".SH SYNOPSIS", ".nf"]
    lines += [plain(line.strip()) for line in section(text, "Usage")]
    lines += [".fi", ".SH DESCRIPTION"]
    in_list = True
    for line in prose.splitlines():
        named = re.match(r"  (\S+) {2,}(.*)", line)
        if named:
            lines += [".TP", f"\\fB{plain(named[1])}\\fR", plain(named[2])]
            in_list = True
        elif not line or in_list and not line.startswith(" "):
            lines.append(".PP")
            in_list = False
        if line and not named:
            lines.append(plain(line.strip()))
    lines.append(".SH OPTIONS")
    for option, effect in known:
        name, _, value = option.partition(" ")
        lines += [".TP", f"\\fB{plain(name)}\\fR" + (f" \\fI{value}\\fR" if value else ""), plain(effect)]
    lines.append(".SH EXIT STATUS")
    for line in section(text, "Exit status"):
        status, meaning = line.split(None, 1)
        lines += [".TP", f"\\fB{status}\\fR", plain(meaning)]
    lines += [".SH SEE ALSO", "\\fBlambwire\\-emulator\\fR(1)"]
    return "\n".join(lines) + "\n"


def plain(text):
    """Text that roff takes for nothing else."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def bash(known):
    words = " ".join(option.split()[0] for option, _ in known)
    return f"""_bootstrap() {{
    local word=${{COMP_WORDS[COMP_CWORD]}}
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{words}' -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W 'invoke' -f -- "$word")
    fi
}}
complete -o filenames -F _bootstrap bootstrap
"""


def fish(known):
    lines = ["complete -c bootstrap -n __fish_is_first_arg -a invoke -d 'Hand one event to a handler'"]
    for option, effect in known:
        name, _, value = option.partition(" ")
        lines.append(f"complete -c bootstrap -l {name[2:]}{' -r' if value else ''} -d {quoted(effect)}")
    return "\n".join(lines) + "\n"


def zsh(known):
    lines = ["#compdef bootstrap", "_arguments \\"]
    for option, effect in known:
        name, _, value = option.partition(" ")
        files = "_files" if value in ("FILE", "PATH") else " "
        effect = re.sub(r"([\[\]:])", r"\\\1", effect)
        lines.append(f"    {quoted(f'{name}[{effect}]' + (f':{value}:{files}' if value else ''))} \\")
    lines.append("    '*::handler:_files'")
    return "\n".join(lines) + "\n"


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


if __name__ == "__main__":
    main(*sys.argv[1:])

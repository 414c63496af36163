"""The completion scripts of bash, zsh and fish.

They only carry the question; all words come from ``circusctl --complete``.

Printed by ``circusctl --completion SHELL``; the files below ``packaging/completion`` are made from here
(``python -m circus.ctl.scripts DIRECTORY``), and a test compares them.
"""

from __future__ import annotations

#: Shell -> (file name, script).
SCRIPTS: dict[str, tuple[str, str]] = {
    "bash": (
        "circusctl",
        r"""# bash completion for circusctl. Load it with: source <(circusctl --completion bash)
_circusctl() {
    local word
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <("$1" --complete line "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[.=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _circusctl circusctl
""",
    ),
    "zsh": (
        "_circusctl",
        r"""#compdef circusctl
# zsh completion for circusctl. Load it with: source <(circusctl --completion zsh)
_circusctl() {
    local line
    local -a described
    while IFS= read -r line; do
        if [[ $line == *$'\t'* ]]; then
            described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
        else
            described+=("${line//:/\\:}")
        fi
    done < <("${(Q)words[1]}" --complete words "${(Q)PREFIX}" "${(@Q)words[2,CURRENT-1]}" 2>/dev/null)
    (( ${#described} )) && _describe -t circusctl circusctl described
}
if [[ ${funcstack[1]} == _circusctl ]]; then
    _circusctl "$@"
else
    compdef _circusctl circusctl
fi
""",
    ),
    "fish": (
        "circusctl.fish",
        r"""# fish completion for circusctl. Load it with: circusctl --completion fish | source
function __circusctl_words
    set -l words (commandline -opc)
    set -l prefix (commandline -ct | string unescape)
    command circusctl --complete words "$prefix" $words[2..-1] 2>/dev/null
end
complete -c circusctl -f -a '(__circusctl_words)'
""",
    ),
}


def completion_script(shell: str) -> str:
    """The script for ``bash``, ``zsh`` or ``fish``."""
    return SCRIPTS[shell][1]


def write_scripts(directory: str) -> None:
    """Write all scripts into a directory, under the names the shells look for."""
    import os

    os.makedirs(directory, exist_ok=True)
    for name, text in SCRIPTS.values():
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    import sys

    write_scripts(sys.argv[1])

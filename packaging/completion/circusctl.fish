# fish completion for circusctl. Load it with: circusctl --completion fish | source
function __circusctl_words
    set -l words (commandline -opc)
    set -l prefix (commandline -ct | string unescape)
    command circusctl --complete words "$prefix" $words[2..-1] 2>/dev/null
end
complete -c circusctl -f -a '(__circusctl_words)'

/**
 * Scripts of the shells. Each hands the words before the cursor to `layermill complete-words` and takes its lines; `:files` asks for files.
 */
const bash = `# bash completion of layermill
_layermill() {
  local current="\${COMP_WORDS[COMP_CWORD]}"
  local words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  local line files=
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ "$line" == ':files' ]]; then files=1; else COMPREPLY+=("$line"); fi
  done < <(command layermill complete-words -- "\${words[@]}" 2>/dev/null)
  if [[ -n "$files" ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current")
  fi
  # A list after commas goes on without a space.
  if [[ \${#COMPREPLY[@]} -eq 1 && "\${COMPREPLY[0]}" == *, ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -F _layermill layermill`

const zsh = `#compdef layermill
# zsh completion of layermill
_layermill() {
  local -a found given
  local line files=
  given=("\${(@)words[2,CURRENT]}")
  while IFS= read -r line; do
    if [[ "$line" == ':files' ]]; then files=1; else found+=("$line"); fi
  done < <(command layermill complete-words -- "\${given[@]}" 2>/dev/null)
  (( \${#found} )) && compadd -- "\${found[@]}"
  [[ -n "$files" ]] && _files
  return 0
}
if [[ "$funcstack[1]" == '_layermill' ]]; then _layermill "$@"; else compdef _layermill layermill; fi`

const fish = `# fish completion of layermill
function __layermill_complete
    set -l given (commandline -opc)[2..-1] (commandline -ct)
    for line in (command layermill complete-words -- $given 2>/dev/null)
        if test "$line" = ':files'
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c layermill -f -a '(__layermill_complete)'`

export const scripts = { bash, zsh, fish } as const

--- `lua-smb completion`: what shells read to complete commands, flags and names on shares.

local outcome = require "smb.cli.outcome"
local options = require "smb.options"
local output = require "smb.cli.output"

local completion = {}

local SHELLS = { "bash", "zsh", "fish" }

-- Commands whose arguments behind the URL are names on the share.
local REMOTE = { "list", "ls", "tree", "du", "get", "cat", "copy", "cp", "delete", "rm", "mkdir", "rmdir", "rename",
  "mv", "stat", "sweep", "check" }

-- Names on the share, as `lua-smb names` prints them. The words of the line are taken anew: bash parts them at colons.
local BASH = [==[

_lua-smb-all() {
    local cur="${COMP_WORDS[COMP_CWORD]}"
    _lua-smb "$@"
    [[ $cur = -* || ${#COMPREPLY[@]} -gt 0 ]] && return
    local -a words
    local url="" command="" word
    read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
    for word in "${words[@]:1}"; do
        case $word in
            -*) ;;
            *) if [[ -z $command ]]; then command=$word; elif [[ -z $url ]]; then url=$word; fi ;;
        esac
    done
    case " COMMANDS " in *" $command "*) ;; *) return ;; esac
    [[ -n $url && ${COMP_LINE:0:COMP_POINT} != *"$url" ]] || return
    local IFS=$'\n'
    COMPREPLY=($(compgen -W '$(lua-smb names "$url" "$cur" 2>/dev/null </dev/null)' -- "$cur"))
    [[ ${#COMPREPLY[@]} -gt 0 ]] || return
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} = */ ]] && compopt -o nospace 2>/dev/null
    COMPREPLY=($(printf '%q\n' "${COMPREPLY[@]}"))
}

complete -F _lua-smb-all -o bashdefault -o default lua-smb
]==]

local ZSH = [==[
_lua-smb_names() {
  local url=${(Q)words[(r)*(smb|cifs)://*]}
  [[ -n $url ]] || url=${(Q)words[(r)[A-Za-z0-9_-]##:*]}
  [[ -n $url ]] || return 1
  local -a names
  names=(${(f)"$(lua-smb names "$url" "${(Q)PREFIX}" 2>/dev/null </dev/null)"})
  compadd -S '' -a names
}

]==]

local FISH = [==[

function __fish_lua-smb_names
    set -l words (commandline -poc)
    for word in $words[3..-1]
        if not string match -q -- '-*' $word
            lua-smb names $word (commandline -ct) 2>/dev/null </dev/null
            return
        end
    end
end

complete -c lua-smb -f -n '__fish_seen_subcommand_from COMMANDS' -a '(__fish_lua-smb_names)'
]==]

function completion.add(parser)
  local command = parser:command "completion":summary "Print what a shell needs to complete commands, flags and names."
    :description("Prints what a shell needs to complete commands, flags and names on shares. For the current shell: "
      .. "source <(lua-smb completion bash). make install puts it where shells look for it.")
  command:usage "Usage: lua-smb completion [-h] bash|zsh|fish"
  command:argument("shell", "bash, zsh or fish"):choices(SHELLS)
  completion.parser = parser
end

-- Values of flags that are words of a list: argparse leaves their check to us.
local function add_choices(parser)
  for _, command in ipairs(parser._commands) do
    for _, option in ipairs(command._options) do
      local row = options.by_url[(option._name or ""):gsub("^%-%-", "")]
      if row and row.choices then option._choices = row.choices end
    end
  end
end

-- zsh: behind the URL come names on the share, and local files as well where the command takes them.
local function with_zsh_names(text)
  for _, name in ipairs(REMOTE) do
    local from, to = text:find("\n    " .. name .. "[|%w]*%)\n.-\n      ;;\n")
    if from then
      local is_url = true
      local section = text:sub(from, to):gsub('\n        "(%*?): :_files"', function(star)
        if is_url then
          is_url = false
          return nil
        end
        return ('\n        "%s: :_lua-smb_names"'):format(star)
      end)
      text = text:sub(1, from - 1) .. section .. text:sub(to + 1)
    end
  end
  return (text:gsub("\n_lua%-smb%(%)", function(found) return "\n" .. ZSH .. found:sub(2) end, 1))
end

local makers = {}

function makers.bash(parser)
  return (parser:get_bash_complete():gsub("\ncomplete %-F [^\n]*\n", "")
    .. BASH:gsub("COMMANDS", table.concat(REMOTE, " ")))
end

function makers.zsh(parser) return with_zsh_names(parser:get_zsh_complete()) end

function makers.fish(parser)
  return parser:get_fish_complete() .. FISH:gsub("COMMANDS", table.concat(REMOTE, " "))
end

--- What a shell reads.
-- @tparam string shell
-- @treturn string
function completion.text(shell)
  add_choices(completion.parser)
  return (makers[shell](completion.parser):gsub("\n+$", "\n"))
end

function completion.alone(args)
  if not makers[args.shell] then outcome.wrong_use "completion knows bash, zsh and fish" end
  output.say(completion.text(args.shell))
  return true
end

return completion

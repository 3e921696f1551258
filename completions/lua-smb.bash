_lua-smb() {
    local IFS=$' \t\n'
    local args cur prev cmd opts arg
    args=("${COMP_WORDS[@]}")
    cur="${COMP_WORDS[COMP_CWORD]}"
    prev="${COMP_WORDS[COMP_CWORD-1]}"
    opts="-h --help --version"

    args=("${args[@]:1}")
    for arg in "${args[@]}"; do
        case "$arg" in
            test)
                cmd="test"
                opts="$opts -w --write --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            list|ls)
                cmd="list"
                opts="$opts -R --recursive -H --human --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            tree)
                cmd="tree"
                opts="$opts -L --level -d --folders -s --size -H --human --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            du)
                cmd="du"
                opts="$opts -s --summarize -d --max-depth -H --human --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            get)
                cmd="get"
                opts="$opts --to -r --recursive -p --parents --no-overwrite --resume --preserve-mtime --no-preserve-mtime -v --verbose -q --quiet --progress --no-progress --mirror --keep-old --force -n --dry-run --changed --on-error --symlinks --encode-names --bins --max-delete --min-age --max-age --files-from --log-file --filter --filter-from --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            put)
                cmd="put"
                opts="$opts -r --recursive --into --name --command --allow-empty -p --parents --no-overwrite --resume --preserve-mtime --no-preserve-mtime -v --verbose -q --quiet --progress --no-progress --mirror --keep-old --force -n --dry-run --changed --on-error --symlinks --encode-names --bins --max-delete --min-age --max-age --files-from --log-file --filter --filter-from --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            check)
                cmd="check"
                opts="$opts --sha256 --size-only --one-way --symlinks --encode-names --filter --filter-from -q --quiet --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            cat)
                cmd="cat"
                opts="$opts --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            copy|cp)
                cmd="copy"
                opts="$opts --no-overwrite --preserve-mtime --no-preserve-mtime --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            delete|rm)
                cmd="delete"
                opts="$opts -d --folder -r --recursive -n --dry-run --missing-ok -v --verbose --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            mkdir)
                cmd="mkdir"
                opts="$opts --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            rmdir)
                cmd="rmdir"
                opts="$opts -r --recursive --missing-ok -v --verbose --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            rename|mv)
                cmd="rename"
                opts="$opts --no-overwrite --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            stat)
                cmd="stat"
                opts="$opts --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            quota|df)
                cmd="quota"
                opts="$opts --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            sweep)
                cmd="sweep"
                opts="$opts --older-than --bins --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            shares)
                cmd="shares"
                opts="$opts --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            backup)
                cmd="backup"
                opts="$opts --exclude --exclude-from --exclude-if-present --include-caches -x --one-file-system --before --after --log -q --quiet --progress --no-progress --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            snapshots)
                cmd="snapshots"
                opts="$opts --max-age --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            restore)
                cmd="restore"
                opts="$opts --path --filter --filter-from --links --no-owners -n --dry-run --before --after --log -q --quiet --progress --no-progress --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            verify)
                cmd="verify"
                opts="$opts --data --source --before --after --log -q --quiet --progress --no-progress --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            prune)
                cmd="prune"
                opts="$opts --keep-last --keep-hourly --keep-daily --keep-weekly --keep-monthly --keep-yearly --keep-within --utc -n --dry-run --before --after --log -q --quiet --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            unlock)
                cmd="unlock"
                opts="$opts --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            diagnose)
                cmd="diagnose"
                opts="$opts --read-only --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            configure)
                cmd="configure"
                opts="$opts -h --help"
                break
                ;;
            shell)
                cmd="shell"
                opts="$opts --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
            completion)
                cmd="completion"
                opts="$opts -h --help"
                break
                ;;
            names)
                cmd="names"
                opts="$opts --trace --json -h --help --help-all --auth-username --auth-password --auth-domain --credentials-file --no-anonymous --anonymous --kerberos --ccache --dfs --confinement --transport --no-broadcast --broadcast --min-protocol --max-protocol --signing --encryption --read-buffer-size --write-buffer-size --short-timeout --list-timeout --read-write-timeout --total-timeout --rate --connections --retries --retry-delay --wait-for-server --verify --no-in-place --in-place --time-window"
                break
                ;;
        esac
    done

    case "$cmd" in
        '')
            COMPREPLY=($(compgen -W "test list ls tree du get put check cat copy cp delete rm mkdir rmdir rename mv stat quota df sweep shares backup snapshots restore verify prune unlock diagnose configure shell completion names" -- "$cur"))
            ;;
        'test')
            case "$prev" in
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'list')
            case "$prev" in
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'tree')
            case "$prev" in
                -L|--level)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'du')
            case "$prev" in
                -d|--max-depth)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'get')
            case "$prev" in
                --to)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --keep-old)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --changed)
                    COMPREPLY=($(compgen -W "mtime size missing sha256 always" -- "$cur"))
                    return 0
                    ;;
                --on-error)
                    COMPREPLY=($(compgen -W "continue stop" -- "$cur"))
                    return 0
                    ;;
                --symlinks)
                    COMPREPLY=($(compgen -W "skip follow" -- "$cur"))
                    return 0
                    ;;
                --max-delete)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --min-age)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --max-age)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --files-from)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --log-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --filter)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --filter-from)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'put')
            case "$prev" in
                --into)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --name)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --command)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --keep-old)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --changed)
                    COMPREPLY=($(compgen -W "mtime size missing sha256 always" -- "$cur"))
                    return 0
                    ;;
                --on-error)
                    COMPREPLY=($(compgen -W "continue stop" -- "$cur"))
                    return 0
                    ;;
                --symlinks)
                    COMPREPLY=($(compgen -W "skip follow" -- "$cur"))
                    return 0
                    ;;
                --max-delete)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --min-age)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --max-age)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --files-from)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --log-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --filter)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --filter-from)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'check')
            case "$prev" in
                --symlinks)
                    COMPREPLY=($(compgen -W "skip follow" -- "$cur"))
                    return 0
                    ;;
                --filter)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --filter-from)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'cat')
            case "$prev" in
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'copy')
            case "$prev" in
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'delete')
            case "$prev" in
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'mkdir')
            case "$prev" in
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'rmdir')
            case "$prev" in
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'rename')
            case "$prev" in
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'stat')
            case "$prev" in
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'quota')
            case "$prev" in
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'sweep')
            case "$prev" in
                --older-than)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'shares')
            case "$prev" in
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'backup')
            case "$prev" in
                --exclude)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --exclude-from)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --exclude-if-present)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --before)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --after)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --log)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'snapshots')
            case "$prev" in
                --max-age)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'restore')
            case "$prev" in
                --path)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --filter)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --filter-from)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --links)
                    COMPREPLY=($(compgen -W "restore skip" -- "$cur"))
                    return 0
                    ;;
                --before)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --after)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --log)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'verify')
            case "$prev" in
                --source)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --before)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --after)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --log)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'prune')
            case "$prev" in
                --keep-last)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --keep-hourly)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --keep-daily)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --keep-weekly)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --keep-monthly)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --keep-yearly)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --keep-within)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --before)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --after)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --log)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'unlock')
            case "$prev" in
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'diagnose')
            case "$prev" in
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'shell')
            case "$prev" in
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'names')
            case "$prev" in
                --trace)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-username)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-password)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --auth-domain)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --credentials-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --kerberos)
                    COMPREPLY=($(compgen -W "off desired required" -- "$cur"))
                    return 0
                    ;;
                --ccache)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --dfs)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --confinement)
                    COMPREPLY=($(compgen -W "on off" -- "$cur"))
                    return 0
                    ;;
                --transport)
                    COMPREPLY=($(compgen -W "directtcp netbios" -- "$cur"))
                    return 0
                    ;;
                --min-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --max-protocol)
                    COMPREPLY=($(compgen -W "NT1 SMB2_02 SMB2_10 SMB3_00 SMB3_02 SMB3_11" -- "$cur"))
                    return 0
                    ;;
                --signing)
                    COMPREPLY=($(compgen -W "default desired required off" -- "$cur"))
                    return 0
                    ;;
                --encryption)
                    COMPREPLY=($(compgen -W "default off desired required" -- "$cur"))
                    return 0
                    ;;
                --read-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --write-buffer-size)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --short-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --list-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --read-write-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --total-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --rate)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --connections)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retries)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --retry-delay)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --wait-for-server)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --verify)
                    COMPREPLY=($(compgen -W "size sha256 none" -- "$cur"))
                    return 0
                    ;;
                --time-window)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
    esac

    if [[ "$cur" = -* ]]; then
        COMPREPLY=($(compgen -W "$opts" -- "$cur"))
    fi
}

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
    case " list ls tree du get cat copy cp delete rm mkdir rmdir rename mv stat sweep check " in *" $command "*) ;; *) return ;; esac
    [[ -n $url && ${COMP_LINE:0:COMP_POINT} != *"$url" ]] || return
    local IFS=$'\n'
    COMPREPLY=($(compgen -W '$(lua-smb names "$url" "$cur" 2>/dev/null </dev/null)' -- "$cur"))
    [[ ${#COMPREPLY[@]} -gt 0 ]] || return
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} = */ ]] && compopt -o nospace 2>/dev/null
    COMPREPLY=($(printf '%q\n' "${COMPREPLY[@]}"))
}

complete -F _lua-smb-all -o bashdefault -o default lua-smb

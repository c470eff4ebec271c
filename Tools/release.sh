# Sourced by quickstart, install and package, after prepare.sh: builds programs as people get them, and what belongs to them.

# A folder of its own: what is linked statically is compiled with other flags, so in the folder of plain release builds each build would undo
# the other.
release_scratch=.build/static
release_flags=(-c release --static-swift-stdlib --disable-local-rpath --scratch-path "$release_scratch")

# source_commit: the commit of the sources, with "+changes" behind it if files have been changed; ENGRAM_COMMIT if it is set; nothing outside of a
# Git repository.
source_commit() {
  local here=(git -c "safe.directory=$PWD") commit
  if [ -n "${ENGRAM_COMMIT:-}" ]; then printf '%s' "$ENGRAM_COMMIT" && return; fi
  # Not that of a repository in which the sources were unpacked.
  [ -e .git ] && commit=$("${here[@]}" rev-parse --short=12 HEAD 2>/dev/null) || return 0
  [ -z "$("${here[@]}" status --porcelain 2>/dev/null)" ] || commit="$commit+changes"
  printf '%s' "$commit"
}

# source_time: when the commit was made, in seconds since 1970; SOURCE_DATE_EPOCH if it is set; otherwise now.
source_time() {
  if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then printf '%s' "$SOURCE_DATE_EPOCH" && return; fi
  { [ -e .git ] && git -c "safe.directory=$PWD" log -1 --format=%ct 2>/dev/null; } || date +%s
}

# build_release PRODUCT: `program` is the path of what was built.
build_release() {
  ENGRAM_COMMIT=$(source_commit)
  export ENGRAM_COMMIT
  swift build "${release_flags[@]}" --product "$1" || fail "$1 could not be built: the reason is above."
  program="$(swift build "${release_flags[@]}" --show-bin-path)/$1"
}

# stage_memtool FOLDER [COMPLETIONS]: puts memtool, its manual pages and its completions below a new folder, as below a prefix. COMPLETIONS are the folders of
# bash's, zsh's and fish's, the defaults those where the shells look below /usr/local and ~/.local.
stage_memtool() {
  local stage=$1 shells=${2:-share/bash-completion/completions share/zsh/site-functions share/fish/vendor_completions.d} generator page
  # shellcheck disable=SC2086
  set -- $shells
  mkdir -p "$stage/bin" "$stage/share/man/man1" "$stage/$1" "$stage/$2" "$stage/$3"
  strip --strip-all --remove-section=.comment --remove-section=.note -o "$stage/bin/memtool" "$program"
  chmod 755 "$stage/bin/memtool"

  "$stage/bin/memtool" --generate-completion-script bash | sed '1{/^#!/d}' >"$stage/$1/memtool"
  "$stage/bin/memtool" --generate-completion-script zsh >"$stage/$2/_memtool"
  "$stage/bin/memtool" --generate-completion-script fish >"$stage/$3/memtool.fish"

  # The generator of swift-argument-parser itself: its plugin would build every product of this package once more, and link the
  # toolchain's libraries.
  generator=(--package-path "$release_scratch/checkouts/swift-argument-parser" --scratch-path "$release_scratch/manual")
  swift build "${generator[@]}" --product generate-manual >"$release_scratch/manual.log" 2>&1 ||
    { cat "$release_scratch/manual.log" >&2 && fail "The generator of manual pages could not be built: the reason is above."; }
  "$(swift build "${generator[@]}" --show-bin-path)/generate-manual" "$stage/bin/memtool" --multi-page \
    --date "$(date -u -d "@$(source_time)" +%Y-%m-%d)" --output-directory "$stage/share/man/man1"
  # It says nothing that `memtool help` does not.
  rm "$stage/share/man/man1/memtool.help.1"
  for page in "$stage"/share/man/man1/*.1; do improve_page "$page" "$("$stage/bin/memtool" --version | sed -n 's/^memtool //p')"; done
  find "$stage" -type f ! -name memtool -exec chmod 644 {} +
}

# improve_page FILE VERSION: makes of a page of the generator one that `man memtool-search` finds: the name has hyphens, the examples have a section, the exit
# codes are ours, each page refers to the main one, and hyphens can be copied into a shell.
improve_page() {
  local name
  name=$(basename "$1" .1)
  awk -v name="${name//./-}" -v words="${name//./ }" -v version="$2" '
    function text(line) {
      gsub(/--/, "\\-\\-", line)
      return line
    }
    function example(line) {
      sub(/^  /, "", line)
      gsub(/-/, "\\-", line)
      return line ~ /^[.\x27]/ ? "\\&" line : line
    }
    function close_examples() {
      if (examples != "") printf ".Sh EXAMPLES\n.Bd -literal\n%s.Ed\n", examples
      examples = ""
    }
    /^\.Dt / { print ".Dt " toupper(name) " 1"; next }
    /^\.Os/ { print ".Os \"Engram " version "\""; next }
    /^\.Sh / { section = $0; inside = 0 }
    /^\.Nm / && section == ".Sh NAME" { print ".Nm " name; next }
    /^\.Nm$/ && section == ".Sh SYNOPSIS" { print ".Nm \"" words "\""; next }
    /^\.Nd / { gsub(/^\.Nd "|\.?"$/, ""); print ".Nd " $0; next }
    /^\.Xr memtool\.help / { next }
    /^\.Xr / { target = $2; gsub(/\./, "-", target); print ".Xr " target " 1 ,"; next }
    /^EXAMPLES$/ { inside = 1; next }
    inside && /^ / { examples = examples example($0) "\n"; next }
    { inside = 0 }
    /^\.Ex -std/ {
      print "0 for success, 1 for a failure, 3 for damage found in a store, 64 for a command line that is wrong."
      close_examples()
      next
    }
    /^\.Sh "SEE ALSO"/ { refers = 1 }
    /^$/ { print ".Pp"; next }
    /^\./ { print; next }
    { print text($0) }
    END {
      close_examples()
      if (!refers) print ".Sh \"SEE ALSO\""
      if (name != "memtool") print ".Xr memtool 1"
    }' "$1" |
    # No list ends with a comma, and no section begins with a paragraph.
    awk '
      function flush() { if (held != "") print held }
      { if ($0 ~ /^\.(Sh|Bl)/ && held == ".Pp") held = ""; if ($0 == ".Pp" && held ~ /^\.(Sh|Pp)/) next; flush(); held = $0 }
      END { sub(/ ,$/, "", held); flush() }' >"$(dirname "$1")/${name//./-}.1.new"
  rm "$1"
  mv "$(dirname "$1")/${name//./-}.1.new" "$(dirname "$1")/${name//./-}.1"
}

#!/bin/sh
# The whole life of a small model: text -> tokenizer -> training files -> pretraining, killed and resumed -> talking.
# Called by ./dev demo, which has installed and built what is needed.
set -eu

help() {
  cat <<'END'
usage: ./dev demo [--text FILE_OR_FOLDER]... [--minutes M] [--output FOLDER]

From text to a talking model, within ten minutes: training takes what the rest leaves of them.

  --text PATH     your own text instead of the demo's (.txt, .md, .jsonl with "text", also .gz and .zst); may be given several times
  --minutes M     how long all of it may take, installing and building too (9)
  --output FOLDER where everything goes (runs/demo); what is there already is not made again
END
}

output=runs/demo minutes=9 own= begin=${DEMO_BEGIN:-$(date +%s)}
while [ $# -gt 0 ]; do
  case $1 in
    --text) own="$own ${2:?--text needs a path}"; shift ;;
    --minutes) minutes=${2:?--minutes needs a number}; shift ;;
    --output) output=${2:?--output needs a folder}; shift ;;
    --help | -h) help; exit 0 ;;
    *) echo "error: unknown argument \"$1\"; see ./dev demo --help" >&2; exit 2 ;;
  esac
  shift
done
pleiad=build/pleiad
say() { printf '\n\033[1m%s\033[0m\n' "$*" >&2; }
[ -t 2 ] || say() { printf '\n== %s\n' "$*" >&2; }

mkdir -p "$output"
if [ -z "$own" ]; then
  say "1. Text: Chinese and English, from Debian's packages"
  [ -f "$output/text/en.jsonl" ] || tools/demo_text.sh "$output/text"
  own="$output/text/zh.jsonl $output/text/en.jsonl"
else
  say "1. Text: yours"
fi
# shellcheck disable=SC2086  # a list of paths
ls -sh $own >&2

say "2. A tokenizer of 8192 pieces, in the form of TeleChat3's"
# shellcheck disable=SC2086
[ -f "$output/tokenizer.model" ] || $pleiad tokenizer train --input $own --like telechat3 --vocab 8192 --output "$output/tokenizer.model"

say "3. Training files"
blend=
for source in $own; do
  name=$(basename "$source" | sed 's/[^A-Za-z0-9_-]/_/g')
  [ -f "$output/data/$name.idx" ] || { mkdir -p "$output/data" && $pleiad data build "$source" --tokenizer "$output/tokenizer.model" --output "$output/data/$name"; }
  blend="$blend 1 $output/data/$name"
done
blend=${blend# }

train() { $pleiad train configs/demo.yaml --data.train "$blend" --data.tokenizer "$output/tokenizer.model" "$@"; }
steps_done() { if [ -f "$1/metrics.jsonl" ]; then wc -l <"$1/metrics.jsonl"; else echo 0; fi; }
# Waits until the run in $1 has made $2 steps, then sends signal $3 to process $4.
signal_at() { while [ "$(steps_done "$1")" -lt "$2" ] && kill -0 "$4" 2>/dev/null; do sleep 0.2; done; kill "-$3" "$4" 2>/dev/null || true; }

# leg FOLDER STEPS SIGNAL: trains as planned in FOLDER and sends SIGNAL once STEPS steps are made. Not through train(): the signal must
# reach the program, not a shell around it.
leg() {
  $pleiad train configs/demo.yaml --data.train "$blend" --data.tokenizer "$output/tokenizer.model" --train.output "$1" \
    --train.tokens "$tokens" &
  signal_at "$1" "$2" "$3" $!
  wait $! 2>/dev/null || true
  say "   stopped by SIG$3 after step $(steps_done "$1")"
}

say "4. How fast is this machine?"
[ -f "$output/speed.json" ] || train --train.output "$output/speed" --train.steps 50 --eval.every 0 --checkpoint.every 0 --json >"$output/speed.json"
speed=$(sed -n 's/.*"tokens_per_s": *\([0-9]*\).*/\1/p' "$output/speed.json")
[ -n "$speed" ] || { echo "error: $output/speed.json does not tell the speed; remove it and $output/speed, and try again" >&2; exit 1; }
# Of the time that is left, proving that a stop changes nothing takes the speed of 254,000 tokens, and the rest half a minute.
tokens=$((speed * (60 * minutes - 30 - $(date +%s) + begin) - 254000))
[ "$tokens" -gt 819200 ] || tokens=819200  # two hundred steps: fewer leave no room for the stops

say "5. Pretraining for about $((tokens / speed / 60 + 1)) minutes: $tokens tokens; killed on the way (kill -9), then stopped (SIGTERM), and gone on with"
proof=$output/proof run=$output/run
if [ ! -f "$output/resumed" ]; then
  # The same plan twice, as the order of the samples follows from its length: once straight to step 60, once with a kill before.
  rm -rf "$proof" "$run"
  leg "$proof" 62 TERM
  leg "$run" 40 KILL
  leg "$run" 62 TERM
  for shard in "$proof"/checkpoints/step-60/shard-*; do
    cmp "$shard" "$run/checkpoints/step-60/$(basename "$shard")" || { echo "error: the resumed run differs from the one without a stop" >&2; exit 1; }
  done
  say "   step 60: the killed and resumed run has the same bytes as the one without a stop (weights and moments)"
  echo "$tokens" >"$output/resumed"
fi
tokens=$(cat "$output/resumed")
train --train.output "$run" --train.tokens "$tokens"

say "6. How it went"
$pleiad plot "$run" --out "$run/plot.svg"

say "7. It talks"
for prompt in "mountain (noun):" "to run quickly, hurry (verb):" "选择" "打开"; do
  printf '\n\033[1m%s\033[0m' "$prompt"
  $pleiad generate --model "$run" --prompt "$prompt" --max-new 60 --temperature 0.6 --seed 7
done

cat <<END

All of it took $((($(date +%s) - begin) / 60)) minutes and lies in $output:
  text/              the text                      $(ls "$output/text" 2>/dev/null | tr '\n' ' ')
  tokenizer.model    the tokenizer
  data/              the training files; what is in one: $pleiad data info $(echo "$blend" | cut -d' ' -f2)
  run/               the run: checkpoints, metrics.jsonl, TensorBoard files
  run/plot.svg       loss, learning rate, load of the experts, speed
Go on:
  $pleiad chat --model $run
  $pleiad generate --model $run --prompt "river (noun):"
  $pleiad export $run $output/model      as a Hugging Face folder
END

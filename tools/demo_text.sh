#!/bin/sh
# Makes the demo's text from Debian's own packages, without installing them:
#   tools/demo_text.sh FOLDER     writes FOLDER/zh.jsonl and FOLDER/en.jsonl, one document a line
# Chinese: the help of LibreOffice and the Debian Reference. English: WordNet's definitions and the Debian Reference.
set -eu
out=${1:?usage: tools/demo_text.sh FOLDER}
packages="libreoffice-help-zh-cn debian-reference-zh-cn wordnet-base debian-reference-en"
mkdir -p "$out/packages"
out=$(cd "$out" && pwd)
cd "$out/packages"
for p in $packages; do
  [ -d "$p" ] && continue
  if ! ls "${p}"_*.deb >/dev/null 2>&1; then
    apt-get download "$p" >download.log 2>&1 || { cat download.log >&2; echo "demo: no package $p; run apt-get update" >&2; exit 1; }
  fi
  rm -rf "$p.tmp" && dpkg-deb -x "${p}"_*.deb "$p.tmp" && mv "$p.tmp" "$p"
done
cat >extract.pl <<'PERL'
use strict;
binmode STDOUT, ":utf8";
my ($kind) = shift @ARGV;
sub give {  # one document as a line of JSON
  my ($t) = @_;
  $t =~ s/[ \t\x{a0}]+/ /g; $t =~ s/ *\n */\n/g; $t =~ s/\n{2,}/\n/g; $t =~ s/^\s+|\s+$//g;
  return if length($t) < 12;
  $t =~ s/([\\"])/\\$1/g; $t =~ s/\n/\\n/g; $t =~ s/[\x00-\x1f]/ /g;
  print "{\"text\": \"$t\"}\n";
}
my %entity = (lt => "<", gt => ">", amp => "&", quot => '"', apos => "'", nbsp => " ");
sub html {
  my ($t) = @_;
  return unless $t =~ s/.*?<div id="DisplayArea"[^>]*>//s;
  $t =~ s/<div id="SearchFrame">.*//s;
  $t =~ s/<(script|style|table)\b.*?<\/\1>//gs;
  $t =~ s/\n/ /g;
  $t =~ s/<\/(p|h[1-6]|li|div|pre)>|<br[^>]*>/\n/g;
  $t =~ s/<[^>]*>//g;
  $t =~ s/&#(\d+);/chr($1)/ge; $t =~ s/&(\w+);/$entity{$1} \/\/ " "/ge;
  $t = join "\n", grep { /\p{Han}/ } split /\n/, $t if $kind eq "zh";  # parts of the help are not translated
  give($t);
}
sub reference {  # a plain book: sections of paragraphs, without tables, listings and the list of contents
  my ($t) = @_;
  $t =~ s/^.*?(\n1\.1\.)/$1/s;
  $t =~ s/^.*?\n(Chapter 1|第 1 章)[^\n]*\n//s;
  my $section = "";
  for my $p (split /\n\s*\n/, $t) {
    if ($p =~ /^\s*\d+\.\d+\.(\d+\.)?\s/) { give($section); $section = ""; }
    next if $p =~ /[|+]--|^\s*[|+\$#]/m || $p =~ /^ {4}/m;
    $p =~ s/\n\s*(?=\p{Han})//g; $p =~ s/(\p{Han}|\p{Po})\n\s*/$1/g if $kind eq "zh"; $p =~ s/\n\s*/ /g;
    $section .= "$p\n";
  }
  give($section);
}
sub wordnet {
  my ($file) = @_;
  open my $f, "<:utf8", $file or die "$file: $!";
  while (my $line = <$f>) {
    next unless $line =~ /^\d{8} \d\d (\w) ([0-9a-f]{2}) (.*?) \| (.*?)\s*$/;
    my ($class, $count, $rest, $gloss) = ($1, hex $2, $3, $4);
    my @f = split / /, $rest;
    my @words = map { my $w = $f[2 * $_]; $w =~ s/_/ /g; $w =~ s/\(\w+\)$//; $w } 0 .. ($count > 3 ? 2 : $count - 1);
    my %name = (n => "noun", v => "verb", a => "adjective", s => "adjective", r => "adverb");
    $gloss =~ s/;\s*"/. For example: "/; $gloss =~ s/;\s*"/ "/g;
    give(join(", ", @words) . " ($name{$class}): $gloss.");
  }
}
for my $file (@ARGV) {
  if ($file =~ /data\.(noun|verb|adj|adv)$/) { wordnet($file); next; }
  open my $f, $file =~ /\.gz$/ ? "gzip -dc '$file' |" : "<$file" or die "$file: $!";
  binmode $f, ":utf8";
  my $t = do { local $/; <$f> };
  $file =~ /\.html$/ ? html($t) : reference($t);
}
PERL
find libreoffice-help-zh-cn/usr/share/libreoffice/help/zh-CN/text -name '*.html' | LC_ALL=C sort | xargs perl extract.pl zh >"$out/zh.jsonl.tmp"
perl extract.pl zh debian-reference-zh-cn/usr/share/debian-reference/debian-reference.zh-cn.txt.gz >>"$out/zh.jsonl.tmp"
perl extract.pl en wordnet-base/usr/share/wordnet/data.noun wordnet-base/usr/share/wordnet/data.verb \
  wordnet-base/usr/share/wordnet/data.adj wordnet-base/usr/share/wordnet/data.adv >"$out/en.jsonl.tmp"
perl extract.pl en debian-reference-en/usr/share/debian-reference/debian-reference.en.txt.gz >>"$out/en.jsonl.tmp"
mv "$out/zh.jsonl.tmp" "$out/zh.jsonl"
mv "$out/en.jsonl.tmp" "$out/en.jsonl"

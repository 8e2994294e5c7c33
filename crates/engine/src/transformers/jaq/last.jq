# As in jq where jaq differs, has none, or takes time that grows with the square of the text (sub).
def join($s): map(if . == null then "" else tostring end) | .[:-1][] += $s | add // "";
def pick(f): . as $whole | reduce path(f) as $path (null; setpath($path; $whole | getpath($path)));
def sub(re; f; flags): [split_matches(re; flags)[] | if isarray then [capture_of_match | f] else [.] end]
  | if all(length == 1) then map(.[0]) | __concat else reduce .[] as $x (""; . + $x[]) end;
def gsub(re; f; flags): sub(re; f; "g" + flags);
def sub(re; f): sub(re; f; "");
def gsub(re; f): sub(re; f; "g");
def toarray: if isarray then . else [.] end;
def @csv: map(if isstring then "\"" + gsub("\""; "\"\"") + "\"" elif . == null then ""
  elif isarray or isobject then error("a list or an object is no cell of a row") else tostring end) | join(",");
def @tsv: map(if isarray or isobject then error("a list or an object is no cell of a row")
  elif . == null then "" else tostring | gsub("\\\\"; "\\\\") | gsub("\t"; "\\t") | gsub("\n"; "\\n") | gsub("\r"; "\\r") end)
  | join("\t");

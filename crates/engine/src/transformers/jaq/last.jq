# As in jq where jaq differs or has none.
def join($s): map(if . == null then "" else tostring end) | .[:-1][] += $s | add // "";
def pick(f): . as $whole | reduce path(f) as $path (null; setpath($path; $whole | getpath($path)));
def toarray: if isarray then . else [.] end;
def @csv: map(if isstring then "\"" + gsub("\""; "\"\"") + "\"" elif . == null then ""
  elif isarray or isobject then error("a list or an object is no cell of a row") else tostring end) | join(",");
def @tsv: map(if isarray or isobject then error("a list or an object is no cell of a row")
  elif . == null then "" else tostring | gsub("\\\\"; "\\\\") | gsub("\t"; "\\t") | gsub("\n"; "\\n") | gsub("\r"; "\\r") end)
  | join("\t");

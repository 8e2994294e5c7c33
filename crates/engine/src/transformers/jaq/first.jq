# Seen by the definitions of jaq: what must be paid for, or refused, before the native filter runs.
def matches($re; $flags):       __charge_match($re) | __matches($re; $flags);
def split_matches($re; $flags): __charge_match($re) | __split_matches($re; $flags);
def split_($re; $flags):        __charge_match($re) | __split_($re; $flags);
# A named time zone would be looked up in the files of the host.
def strptime($format):
  if $format | contains("Q") then "names of time zones (%Q) are not known here" | error_empty
  else __strptime($format) end;

//! Filter text as a tree, before it is compiled: how deep it is, what it calls, and where a call must be paid for.

use super::funs::{DEAR_TICK, TICK};
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::Part;

/// The terms right below a term, the bodies of its definitions among them.
fn children<'t, 's>(term: &'t mut Term<&'s str>) -> Vec<&'t mut Term<&'s str>> {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => Vec::new(),
        Term::Str(_, parts) => {
            parts.iter_mut().filter_map(|part| if let StrPart::Term(term) = part { Some(term) } else { None }).collect()
        }
        Term::Arr(inner) => inner.iter_mut().map(|inner| &mut **inner).collect(),
        Term::Obj(entries) => entries.iter_mut().flat_map(|(key, value)| std::iter::once(key).chain(value)).collect(),
        Term::Neg(inner) | Term::Label(_, inner) => vec![inner],
        Term::BinOp(left, op, right) => {
            let mut terms: Vec<_> = vec![&mut **left, &mut **right];
            if let BinaryOp::Pipe(Some(pattern)) = op {
                terms.extend(pattern_terms(pattern));
            }
            terms
        }
        Term::Fold(_, items, pattern, args) => {
            let mut terms = pattern_terms(pattern);
            terms.push(items);
            terms.extend(args);
            terms
        }
        Term::TryCatch(inner, catch) => std::iter::once(&mut **inner).chain(catch.as_deref_mut()).collect(),
        Term::IfThenElse(branches, otherwise) => {
            let branches = branches.iter_mut().flat_map(|(condition, then)| [condition, then]);
            branches.chain(otherwise.as_deref_mut()).collect()
        }
        Term::Def(defs, inner) => defs.iter_mut().map(|def| &mut def.body).chain([&mut **inner]).collect(),
        Term::Call(_, args) => args.iter_mut().collect(),
        Term::Path(inner, path) => {
            let parts = path.0.iter_mut().flat_map(|(part, _)| match part {
                Part::Index(index) => vec![index],
                Part::Range(from, to) => from.iter_mut().chain(to).collect(),
            });
            std::iter::once(&mut **inner).chain(parts).collect()
        }
    }
}

fn pattern_terms<'t, 's>(pattern: &'t mut Pattern<&'s str>) -> Vec<&'t mut Term<&'s str>> {
    match pattern {
        Pattern::Var(_) => Vec::new(),
        Pattern::Arr(patterns) => patterns.iter_mut().flat_map(pattern_terms).collect(),
        Pattern::Obj(entries) => {
            let terms = entries.iter_mut();
            terms.flat_map(|(key, pattern)| std::iter::once(key).chain(pattern_terms(pattern))).collect()
        }
    }
}

/// How many terms stand in each other; the parts of a text or an object form a chain when they are compiled.
pub(super) fn depth(term: &mut Term<&str>) -> usize {
    let chain = match term {
        Term::Str(_, parts) => parts.len(),
        Term::Obj(entries) => entries.len(),
        Term::IfThenElse(branches, _) => branches.len(),
        _ => 0,
    };
    1 + chain + children(term).into_iter().map(depth).max().unwrap_or(0)
}

/// The first name, of a call or a definition, that `wanted` holds for.
pub(super) fn find_name<'s>(term: &mut Term<&'s str>, wanted: &dyn Fn(&str) -> bool) -> Option<&'s str> {
    let own = match term {
        Term::Call(name, _) | Term::Str(Some(name), _) => Some(*name).filter(|name| wanted(name)),
        Term::Def(defs, _) => defs.iter().map(|def| def.name).find(|name| wanted(name)),
        _ => None,
    };
    own.or_else(|| children(term).into_iter().find_map(|term| find_name(term, wanted)))
}

fn calls(term: &mut Term<&str>, name: &str, arity: usize) -> bool {
    let itself = match term {
        Term::Call(called, args) => *called == name && args.len() == arity,
        Term::Str(Some(format), _) => *format == name,
        _ => false,
    };
    itself || children(term).into_iter().any(|term| calls(term, name, arity))
}

/// Which definitions pay for being called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pay {
    /// Those that call themselves: enough where the depth of all others is known.
    Recursive,
    /// Every one.
    Always,
}

/// Makes a definition, and those in it, pay for each call. There is no loop in jq but recursion and the generators of
/// the library, whose values are paid for.
pub(super) fn meter<'s>(mut def: Def<&'s str>, pay: Pay) -> Def<&'s str> {
    let recursive = calls(&mut def.body, def.name, def.args.len());
    let takes_filters = def.args.iter().any(|arg| !arg.starts_with('$'));
    let tick = match (recursive, takes_filters) {
        (true, true) => Some(DEAR_TICK),
        (true, false) => Some(TICK),
        (false, _) => (pay == Pay::Always).then_some(TICK),
    };
    meter_definitions(&mut def.body, pay);
    if let Some(tick) = tick {
        let tick = Term::Call(tick, Vec::new());
        def.body = Term::BinOp(Box::new(tick), BinaryOp::Pipe(None), Box::new(def.body));
    }
    def
}

fn meter_definitions(term: &mut Term<&str>, pay: Pay) {
    if let Term::Def(defs, inner) = term {
        *defs = std::mem::take(defs).into_iter().map(|def| meter(def, pay)).collect();
        return meter_definitions(inner, pay);
    }
    children(term).into_iter().for_each(|term| meter_definitions(term, pay));
}

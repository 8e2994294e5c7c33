//! Filter text as a tree, before it is compiled: how deep it is, what it calls, and where a call must be paid for.

use super::funs::{DEAR_TICK, TICK};
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::Part;
use std::collections::BTreeSet;

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

/// How many terms stand in each other. What stands side by side in a text, an object, a path or a pattern forms a chain
/// when it is compiled or run, so it counts too.
pub(super) fn depth(term: &mut Term<&str>) -> usize {
    let chain = match term {
        Term::Str(_, parts) => parts.len(),
        Term::Obj(entries) => entries.len(),
        Term::IfThenElse(branches, _) => branches.len(),
        Term::Path(_, path) => path.0.len(),
        Term::Call(_, args) => args.len(),
        Term::Fold(_, _, pattern, _) | Term::BinOp(_, BinaryOp::Pipe(Some(pattern)), _) => variables(pattern),
        _ => 0,
    };
    1 + chain + children(term).into_iter().map(depth).max().unwrap_or(0)
}

fn variables(pattern: &Pattern<&str>) -> usize {
    1 + match pattern {
        Pattern::Var(_) => 0,
        Pattern::Arr(patterns) => patterns.iter().map(variables).sum(),
        Pattern::Obj(entries) => entries.iter().map(|(_, pattern)| variables(pattern)).sum::<usize>(),
    }
}

/// Every name that is called or defined.
pub(super) fn names<'s>(term: &mut Term<&'s str>) -> BTreeSet<&'s str> {
    let mut names = BTreeSet::new();
    collect_names(term, &mut names);
    names
}

fn collect_names<'s>(term: &mut Term<&'s str>, names: &mut BTreeSet<&'s str>) {
    match term {
        Term::Call(name, _) | Term::Str(Some(name), _) => drop(names.insert(name)),
        Term::Def(defs, _) => names.extend(defs.iter().map(|def| def.name)),
        _ => {}
    }
    children(term).into_iter().for_each(|term| collect_names(term, names));
}

fn calls(term: &mut Term<&str>, name: &str, arity: usize) -> bool {
    let itself = match term {
        Term::Call(called, args) => *called == name && args.len() == arity,
        Term::Str(Some(format), _) => *format == name,
        _ => false,
    };
    itself || children(term).into_iter().any(|term| calls(term, name, arity))
}

/// Makes a definition, and those in it, pay for each call if it calls itself. There is no loop in jq but this and the
/// native generators, whose values are paid for. With `all`, others pay too: for the stack they take.
pub(super) fn pay_for_calls(mut def: Def<&str>, all: bool) -> Def<&str> {
    let recursive = calls(&mut def.body, def.name, def.args.len());
    let takes_filters = def.args.iter().any(|arg| !arg.starts_with('$'));
    pay_in(&mut def.body, all);
    if recursive || all {
        let tick = Term::Call(if recursive && takes_filters { DEAR_TICK } else { TICK }, Vec::new());
        def.body = pipe(tick, def.body);
    }
    def
}

fn pay_in(term: &mut Term<&str>, all: bool) {
    if let Term::Def(defs, inner) = term {
        *defs = std::mem::take(defs).into_iter().map(|def| pay_for_calls(def, all)).collect();
        return pay_in(inner, all);
    }
    children(term).into_iter().for_each(|term| pay_in(term, all));
}

fn pipe<'s>(left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right))
}

/// Makes a filter pay for each output of its own definitions: in `def r: ., (r | .)` the last output passes through all
/// calls before it. A call whose outputs are those of the caller (`tail`) passes nothing on, and must stay as it is: only
/// then it takes no stack.
pub(super) fn pay_for_outputs(term: &mut Term<&str>, own: &BTreeSet<&str>, tail: bool) {
    let is_own = match term {
        Term::Call(name, _) | Term::Str(Some(name), _) => own.contains(name),
        _ => false,
    };
    match term {
        Term::BinOp(left, op, right) => {
            let (left_tail, right_tail) = match op {
                BinaryOp::Comma => (tail, tail),
                BinaryOp::Alt | BinaryOp::Pipe(_) => (false, tail),
                _ => (false, false),
            };
            pay_for_outputs(left, own, left_tail);
            pay_for_outputs(right, own, right_tail);
            if let BinaryOp::Pipe(Some(pattern)) = op {
                pattern_terms(pattern).into_iter().for_each(|term| pay_for_outputs(term, own, false));
            }
        }
        Term::IfThenElse(branches, otherwise) => {
            for (condition, then) in branches {
                pay_for_outputs(condition, own, false);
                pay_for_outputs(then, own, tail);
            }
            otherwise.iter_mut().for_each(|otherwise| pay_for_outputs(otherwise, own, tail));
        }
        Term::Fold("foreach", items, pattern, args) => {
            pay_for_outputs(items, own, false);
            pattern_terms(pattern).into_iter().for_each(|term| pay_for_outputs(term, own, false));
            args.iter_mut().enumerate().for_each(|(at, arg)| pay_for_outputs(arg, own, tail && at == 2));
        }
        Term::Def(defs, inner) => {
            defs.iter_mut().for_each(|def| pay_for_outputs(&mut def.body, own, true));
            pay_for_outputs(inner, own, tail);
        }
        _ => children(term).into_iter().for_each(|term| pay_for_outputs(term, own, false)),
    }
    if is_own && !tail {
        *term = pipe(std::mem::take(term), Term::Call(TICK, Vec::new()));
    }
}

/// The names of the definitions in a term.
pub(super) fn defined<'s>(term: &mut Term<&'s str>) -> BTreeSet<&'s str> {
    let mut names: BTreeSet<_> = match term {
        Term::Def(defs, _) => defs.iter().map(|def| def.name).collect(),
        _ => BTreeSet::new(),
    };
    children(term).into_iter().for_each(|term| names.extend(defined(term)));
    names
}

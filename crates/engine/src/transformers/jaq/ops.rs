//! Arithmetic with a price.

use super::budget::{Stop, charge, charge_bytes, stop};
use super::measure::weigh;
use super::value::{Error, V, ValR};
use jaq_core::ops::Math;
use jaq_json::{Num, Val};
use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::sync::Arc;

/// The largest whole number that is calculated with, in bits.
const MAX_BITS: u64 = 4_096;

/// Bytes that a text or an entry needs when it is made anew.
const PIECE: usize = 64;

fn calculate(left: V, op: Math, right: V) -> ValR {
    charge(1);
    match (left.val(), op, right.val()) {
        (Val::Num(_), _, Val::Num(_)) | (Val::Null, Math::Add, _) | (_, Math::Add, Val::Null) => {}
        (Val::TStr(l), Math::Add, Val::TStr(r)) => charge_bytes(r.len() + if l.is_unique() { 0 } else { l.len() }),
        (Val::Arr(l), Math::Add, Val::Arr(r)) => charge_bytes((r.len() + shared(l, l.len())) * PIECE),
        (Val::Obj(l), Math::Add, Val::Obj(r)) => charge_bytes((r.len() + shared(l, l.len())) * PIECE),
        (Val::TStr(text), Math::Mul, Val::Num(times)) | (Val::Num(times), Math::Mul, Val::TStr(text)) => {
            repeat(text.len(), times);
        }
        (Val::TStr(text), Math::Div, Val::TStr(separator)) => charge_bytes(pieces(text, separator) * PIECE),
        (Val::Arr(_), Math::Sub, Val::Arr(_)) | (Val::Obj(_), Math::Mul, Val::Obj(_)) => {
            weigh(left.val());
            weigh(right.val());
        }
        _ => return Err(Error::math(left, op, right)),
    }
    let depth = left.depth().max(right.depth()).max(u32::from(op == Math::Div));
    match op.run::<_, jaq_json::ValR>(left.into_val(), right.into_val()) {
        Ok(Val::Num(number)) => Ok(number_of(number)),
        Ok(val @ (Val::Arr(_) | Val::Obj(_))) => Ok(V::container(val, depth)),
        Ok(val) => Ok(V::scalar(val)),
        // Only numbers and floating text counts are left to fail here, so the message is short.
        Err(error) => Err(Error::str(error)),
    }
}

fn shared<T>(list: &Arc<T>, length: usize) -> usize {
    if Arc::strong_count(list) == 1 { 0 } else { length }
}

fn repeat(length: usize, times: &Num) {
    let times = match times {
        Num::Int(times) => usize::try_from(*times).unwrap_or(0),
        Num::BigInt(_) => usize::MAX,
        _ => 0,
    };
    charge_bytes(length.saturating_mul(times));
}

/// Into how many pieces a text falls.
fn pieces(text: &[u8], separator: &[u8]) -> usize {
    charge(1 + text.len() / 16);
    match (separator, std::str::from_utf8(text), std::str::from_utf8(separator)) {
        ([_, ..], Ok(text), Ok(separator)) => text.matches(separator).count() + 1,
        _ => text.len(),
    }
}

fn number_of(number: Num) -> V {
    match number {
        Num::Float(number) => V::from(number),
        Num::BigInt(number) if number.bits() > MAX_BITS => stop(Stop::Digits),
        number => V::scalar(Val::Num(number)),
    }
}

macro_rules! operator {
    ($name:ident, $function:ident) => {
        impl $name for V {
            type Output = ValR;
            fn $function(self, other: Self) -> ValR {
                calculate(self, Math::$name, other)
            }
        }
    };
}

operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);
operator!(Rem, rem);

impl Neg for V {
    type Output = ValR;

    fn neg(self) -> ValR {
        charge(1);
        match self.val() {
            Val::Num(number) => Ok(number_of(-number.clone())),
            _ => Err(Error::typ(self, "number")),
        }
    }
}

//! Arithmetic on integers, and on decimal fractions.

mod decimal;

use gotemplate::{Args, Context, FunctionError, Functions, List, Type, Value};

use self::decimal::Decimal;
use super::number::{to_float, to_int};
use super::support::{ANY, Outcome, charge_list, fixed, variadic};

/// Adds the functions of this group.
pub(super) fn add(functions: &mut Functions) {
    add_integers(functions);
    add_floats(functions);
    add_sequences(functions);
}

fn add_integers(functions: &mut Functions) {
    const INT: Type = Type::INT64;
    variadic(functions, "add", &[ANY], INT, |_, args| {
        Ok(Value::int64(args.rest(0).iter().map(to_int).fold(0, i64::wrapping_add)))
    });
    fixed(functions, "add1", &[ANY], INT, |_, args| Ok(Value::int64(to_int(args.get(0)).wrapping_add(1))));
    fixed(functions, "sub", &[ANY, ANY], INT, |_, args| {
        Ok(Value::int64(to_int(args.get(0)).wrapping_sub(to_int(args.get(1)))))
    });
    variadic(functions, "mul", &[ANY, ANY], INT, |_, args| {
        Ok(Value::int64(args.rest(0).iter().map(to_int).fold(1, i64::wrapping_mul)))
    });
    fixed(functions, "div", &[ANY, ANY], INT, |_, args| divide(args, i64::wrapping_div));
    fixed(functions, "mod", &[ANY, ANY], INT, |_, args| divide(args, i64::wrapping_rem));
    for name in ["max", "biggest"] {
        variadic(functions, name, &[ANY, ANY], INT, |_, args| {
            Ok(Value::int64(args.rest(0).iter().map(to_int).max().unwrap_or(0)))
        });
    }
    variadic(functions, "min", &[ANY, ANY], INT, |_, args| {
        Ok(Value::int64(args.rest(0).iter().map(to_int).min().unwrap_or(0)))
    });
}

fn divide(args: &Args<'_>, divide: fn(i64, i64) -> i64) -> Outcome {
    match to_int(args.get(1)) {
        0 => Err(FunctionError::new("runtime error: integer divide by zero")),
        divisor => Ok(Value::int64(divide(to_int(args.get(0)), divisor))),
    }
}

fn add_floats(functions: &mut Functions) {
    const FLOAT: Type = Type::FLOAT64;
    fixed(functions, "add1f", &[ANY], FLOAT, |ctx, args| {
        decimals(ctx, Some(args.get(0)), &[Value::int(1)], |sum, next| Ok(sum.add(next)))
    });
    variadic(functions, "addf", &[ANY], FLOAT, |ctx, args| {
        decimals(ctx, None, args.rest(0), |sum, next| Ok(sum.add(next)))
    });
    variadic(functions, "subf", &[ANY, ANY], FLOAT, |ctx, args| {
        decimals(ctx, Some(args.get(0)), args.rest(1), |left, next| Ok(left.subtract(next)))
    });
    variadic(functions, "mulf", &[ANY, ANY], FLOAT, |ctx, args| {
        decimals(ctx, Some(args.get(0)), args.rest(1), |product, next| Ok(product.multiply(next)))
    });
    variadic(functions, "divf", &[ANY, ANY], FLOAT, |ctx, args| {
        decimals(ctx, Some(args.get(0)), args.rest(1), Decimal::divide)
    });
    variadic(functions, "maxf", &[ANY, ANY], FLOAT, |_, args| Ok(Value::float64(fold_floats(args, go_max))));
    variadic(functions, "minf", &[ANY, ANY], FLOAT, |_, args| Ok(Value::float64(fold_floats(args, go_min))));
    fixed(functions, "floor", &[ANY], FLOAT, |_, args| Ok(Value::float64(to_float(args.get(0)).floor())));
    fixed(functions, "ceil", &[ANY], FLOAT, |_, args| Ok(Value::float64(to_float(args.get(0)).ceil())));
    variadic(functions, "round", &[ANY, Type::INT, FLOAT], FLOAT, |_, args| Ok(Value::float64(round(args))));
}

/// Computes exactly in decimal fractions, as shopspring/decimal does, and rounds once at the end.
fn decimals(
    ctx: &mut Context<'_>,
    first: Option<&Value>,
    rest: &[Value],
    operation: fn(&Decimal, &Decimal) -> Result<Decimal, FunctionError>,
) -> Outcome {
    let mut result = Decimal::from_float(first.map_or(0.0, to_float))?;
    for value in rest {
        let next = Decimal::from_float(to_float(value))?;
        result = operation(&result, &next)?;
        ctx.step(result.size())?;
    }
    Ok(Value::float64(result.to_float()))
}

fn fold_floats(args: &Args<'_>, choose: fn(f64, f64) -> f64) -> f64 {
    args.rest(1).iter().map(to_float).fold(to_float(args.get(0)), choose)
}

/// Go: `math.Max`, where NaN wins unless there is an infinity and 0 is more than -0.
fn go_max(first: f64, second: f64) -> f64 {
    match () {
        () if first == f64::INFINITY || second == f64::INFINITY => f64::INFINITY,
        () if first.is_nan() || second.is_nan() => f64::NAN,
        () if first == 0.0 && second == 0.0 => {
            if first.is_sign_negative() {
                second
            } else {
                first
            }
        }
        () if first > second => first,
        () => second,
    }
}

/// Go: `math.Min`, see [`go_max`].
fn go_min(first: f64, second: f64) -> f64 {
    match () {
        () if first == f64::NEG_INFINITY || second == f64::NEG_INFINITY => f64::NEG_INFINITY,
        () if first.is_nan() || second.is_nan() => f64::NAN,
        () if first == 0.0 && second == 0.0 => {
            if first.is_sign_negative() {
                first
            } else {
                second
            }
        }
        () if first < second => first,
        () => second,
    }
}

/// `round value places [from]`: up where the fraction left over is `from` or more, else down, also below zero.
fn round(args: &Args<'_>) -> f64 {
    let from = if args.len() > 2 { args.float(2) } else { 0.5 };
    let power = power_of_ten(args.int(1));
    let shifted = power * to_float(args.get(0));
    let rounded = if shifted.fract() >= from { shifted.ceil() } else { shifted.floor() };
    rounded / power
}

/// Go: `math.Pow(10, exponent)`, whose last bit is not always that of the nearest float.
fn power_of_ten(exponent: i64) -> f64 {
    if exponent.unsigned_abs() > 400 {
        return if exponent > 0 { f64::INFINITY } else { 0.0 };
    }
    // Mantissas are kept at one half or above and below one, apart from their powers of two.
    let (mut result, mut result_power) = (1.0, 0_i32);
    let (mut base, mut base_power) = (0.625, 4_i32);
    let mut left = exponent.unsigned_abs();
    while left != 0 {
        if left & 1 == 1 {
            result *= base;
            result_power += base_power;
        }
        base *= base;
        base_power *= 2;
        if base < 0.5 {
            base += base;
            base_power -= 1;
        }
        left >>= 1;
    }
    if exponent < 0 {
        result = 1.0 / result;
        result_power = -result_power;
    }
    // In two steps, since neither power alone need be a float.
    let half = result_power / 2;
    result * 2_f64.powi(half) * 2_f64.powi(result_power - half)
}

fn add_sequences(functions: &mut Functions) {
    const INTS: Type = Type::INT_LIST;
    fixed(functions, "until", &[Type::INT], INTS, |ctx, args| {
        let end = args.int(0);
        Ok(list_of(steps(ctx, 0, end, if end < 0 { -1 } else { 1 })?))
    });
    fixed(functions, "untilStep", &[Type::INT, Type::INT, Type::INT], INTS, |ctx, args| {
        Ok(list_of(steps(ctx, args.int(0), args.int(1), args.int(2))?))
    });
    variadic(functions, "seq", &[Type::INT], Type::String, sequence);
}

fn list_of(numbers: Vec<i64>) -> Value {
    let numbers = numbers.into_iter().map(Value::int).collect();
    Value::List(List::with_type(&Type::INT_LIST, numbers))
}

/// The numbers from `start` on, before `stop` is reached; none if `step` leads away from it.
fn steps(ctx: &mut Context<'_>, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, FunctionError> {
    let distance = i128::from(stop) - i128::from(start);
    if distance == 0 || step == 0 || (distance < 0) != (step < 0) {
        return Ok(Vec::new());
    }
    let count = distance.unsigned_abs().div_ceil(step.unsigned_abs().into());
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    charge_list(ctx, count)?;
    let next = |number: &i64| number.checked_add(step);
    Ok(std::iter::successors(Some(start), next).take(count).collect())
}

/// As the program of that name: `seq last`, `seq first last`, `seq first step last`.
fn sequence(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Outcome {
    let direction = |first: i64, last: i64| if last < first { -1 } else { 1 };
    let (first, step, last, beyond) = match args.len() {
        1 => (1, direction(1, args.int(0)), args.int(0), direction(1, args.int(0))),
        2 => {
            let direction = direction(args.int(0), args.int(1));
            (args.int(0), direction, args.int(1), direction)
        }
        3 if args.int(2) < args.int(0) && args.int(1) > 0 => return Ok(Value::from("")),
        3 => (args.int(0), args.int(1), args.int(2), direction(args.int(0), args.int(2))),
        _ => return Ok(Value::from("")),
    };
    let numbers = steps(ctx, first, last.wrapping_add(beyond), step)?;
    ctx.allocate(numbers.len().saturating_mul(24))?;
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    Ok(Value::from(numbers.join(" ")))
}

//! The one Rhai engine of the process. It is built once, never changed, and shared
//! without a lock; every answer gets a scope of its own. All limits are set here, because
//! Rhai's own differ between debug and release builds.

use std::sync::LazyLock;

use rhai::packages::{ArithmeticPackage, LogicPackage, Package as _};
use rhai::{AST, Engine, EvalAltResult, OptimizationLevel, ParseError, Scope};

use super::functions;

static ENGINE: LazyLock<Engine> = LazyLock::new(build);

fn build() -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    functions::register(&mut engine);
    for symbol in [
        "eval",
        "import",
        "export",
        "fn",
        "print",
        "debug",
        "type_of",
        "call",
        "Fn",
        "curry",
        "is_def_var",
        "is_def_fn",
        "is_shared",
        "let",
        "const",
        "throw",
        "return",
        "this",
    ] {
        engine.disable_symbol(symbol);
    }
    engine
        .set_optimization_level(OptimizationLevel::None)
        .set_allow_if_expression(false)
        .set_allow_switch_expression(false)
        .set_allow_statement_expression(false)
        .set_allow_loop_expressions(false)
        .set_allow_looping(false)
        .set_allow_shadowing(false)
        .set_max_operations(10_000)
        .set_max_expr_depths(32)
        .set_max_variables(64)
        .set_max_string_size(256 * 1024)
        .set_max_array_size(10_000)
        .set_max_map_size(10_000);
    engine
}

/// Reads an expression. Names are not checked here: the lint knows them with their types
/// and tells all that are unknown at once, where Rhai's strict mode stops at the first.
pub(super) fn compile(source: &str) -> Result<AST, ParseError> {
    ENGINE.compile_expression(source)
}

/// The answer of an expression.
pub(super) fn answer(ast: &AST, scope: &mut Scope<'_>) -> Result<bool, String> {
    ENGINE.eval_ast_with_scope::<bool>(scope, ast).map_err(|error| plain(&error))
}

fn plain(error: &EvalAltResult) -> String {
    match error.unwrap_inner() {
        EvalAltResult::ErrorRuntime(message, _) if message.is_string() => message.to_string(),
        EvalAltResult::ErrorFunctionNotFound(..) | EvalAltResult::ErrorMismatchDataType(..) => {
            "a value has a type that the guard does not expect".to_owned()
        }
        EvalAltResult::ErrorMismatchOutputType(..) => {
            "the guard did not answer yes or no".to_owned()
        }
        EvalAltResult::ErrorArithmetic(..) => {
            "a calculation has no result (too large, or divided by zero)".to_owned()
        }
        EvalAltResult::ErrorTooManyOperations(..) => "the guard takes too much work".to_owned(),
        EvalAltResult::ErrorDataTooLarge(..) => "a value is too large for a guard".to_owned(),
        _ => "the guard cannot be answered with these values".to_owned(),
    }
}

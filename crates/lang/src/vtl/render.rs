//! Rendering a tree: statements, loops, macros. What an expression's value is: `evaluate.rs`.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::method::{self, Meter};
use super::parse::Macros;
use super::tree::{Block, Call, Expression, Foreach, Macro, Node, Part, Reference};
use super::value::Defined;
use super::{Error, Fault, Object, Rules, Template, Value, Variables, place, text};

/// A fault and the byte at which it happened.
pub(super) struct Failed {
    pub(super) fault: Fault,
    pub(super) at: u32,
}

pub(super) type Result<T> = std::result::Result<T, Failed>;

/// Gives a fault its place.
pub(super) fn at<T>(at: u32, result: std::result::Result<T, Fault>) -> Result<T> {
    result.map_err(|fault| Failed { fault, at })
}

pub(super) fn template(
    template: &Template,
    variables: &mut Variables,
    rules: &Rules,
) -> std::result::Result<String, Error> {
    let meter = Meter::new(*rules);
    let parsed = &template.0;
    let mut renderer = Renderer {
        variables,
        meter: &meter,
        nothing: "".into(),
        macros: &parsed.macros,
        evaluated: Macros::new(),
        frames: Vec::new(),
        frame: None,
        loops: Vec::new(),
        macro_depth: 0,
        depth: 0,
        out: String::with_capacity(parsed.source.len()),
    };
    let rendered = renderer.block(&parsed.block);
    let out = renderer.out;
    meter.untie();
    match rendered {
        Ok(_) => Ok(out),
        Err(failed) => {
            let (line, column) = place(&parsed.source, failed.at as usize);
            Err(Error { what: failed.fault.to_string(), line, column })
        }
    }
}

pub(super) struct Renderer<'r> {
    pub(super) variables: &'r mut Variables,
    pub(super) meter: &'r Meter,
    /// An empty string.
    pub(super) nothing: Arc<str>,
    macros: &'r Macros,
    /// Those that came with `#evaluate`.
    evaluated: Macros,
    /// The arguments of the macros that run.
    frames: Vec<Frame>,
    /// In which of them names are looked up.
    frame: Option<usize>,
    loops: Vec<Rc<Loop>>,
    macro_depth: usize,
    depth: usize,
    out: String,
}

/// A macro that runs. Arguments are passed by name: each use of a parameter evaluates its argument once more.
struct Frame {
    of: Arc<Macro>,
    arguments: Arc<[Expression]>,
    caller: Option<usize>,
    body: Option<Arc<Block>>,
    /// What `#set` put over arguments.
    set: Vec<(Arc<str>, Value)>,
}

/// What the statement after this one is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    /// Leaves the innermost loop, macro or evaluation.
    Break,
    /// Leaves the loop at this place in the stack.
    BreakTo(usize),
    Stop,
}

/// `$foreach`
struct Loop {
    /// Its place in the stack of loops.
    level: usize,
    index: Cell<i64>,
    has_next: Cell<bool>,
    parent: Option<Rc<Loop>>,
}

impl Object for Loop {
    fn property(&self, name: &str, _: &Meter) -> std::result::Result<Option<Value>, Fault> {
        Ok(Some(match name {
            "index" => Value::Integer(self.index.get()),
            "count" => Value::Integer(self.index.get() + 1),
            "hasNext" => Value::Bool(self.has_next.get()),
            "first" => Value::Bool(self.index.get() == 0),
            "last" => Value::Bool(!self.has_next.get()),
            "parent" => self.parent.clone().map_or(Value::Null, |parent| Value::Object(parent)),
            "topmost" => {
                let mut topmost = self.parent.clone();
                while let Some(parent) = topmost.as_ref().and_then(|one| one.parent.clone()) {
                    topmost = Some(parent);
                }
                match topmost {
                    Some(topmost) => Value::Object(topmost),
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        }))
    }

    fn call(&self, name: &str, arguments: &[Value], meter: &Meter) -> std::result::Result<Option<Value>, Fault> {
        match (name, arguments) {
            ("hasNext", []) => self.property("hasNext", meter),
            ("isFirst", []) => self.property("first", meter),
            ("isLast", []) => self.property("last", meter),
            ("getIndex", []) => self.property("index", meter),
            ("getCount", []) => self.property("count", meter),
            _ => Ok(None),
        }
    }

    fn text(&self, _: &Meter) -> std::result::Result<Option<String>, Fault> {
        Ok(Some("foreach".to_owned()))
    }
}

impl Renderer<'_> {
    pub(super) fn deeper<T>(&mut self, place: u32, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= self.meter.rules().depth {
            return at(place, Err(Fault::Limit("nesting")));
        }
        self.depth += 1;
        let done = act(self);
        self.depth -= 1;
        done
    }

    fn write(&mut self, text: &str, place: u32) -> Result<()> {
        self.out.push_str(text);
        at(place, self.meter.fits(self.out.len()))
    }

    fn block(&mut self, block: &Block) -> Result<Flow> {
        for node in block {
            let flow = self.node(node)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &Node) -> Result<Flow> {
        at(0, self.meter.step(1))?;
        match node {
            Node::Text(text) => self.write(text, 0)?,
            Node::Reference(reference) => self.show(reference)?,
            Node::Set { target, value } => {
                let value = self.evaluate(value)?;
                // Velocity leaves a variable as it is rather than set it to null.
                if !value.is_null() {
                    self.assign(target, value)?;
                }
            }
            Node::If { branches, otherwise } => return self.conditional(branches, otherwise),
            Node::Foreach(foreach) => return self.foreach(foreach),
            Node::Define { name, body } => {
                self.variables.insert(name.clone(), Value::Defined(Defined(body.clone())));
            }
            Node::Call(call) => return self.call(call),
            Node::Evaluate { text, at: place } => return self.evaluate_text(text, *place),
            Node::Break => return Ok(Flow::Break),
            Node::BreakOut { scope, at: place } => return self.break_out(scope, *place),
            Node::Stop => return Ok(Flow::Stop),
            Node::Refused { name, at: place } => {
                return at(*place, Err(Fault::Refused(format!("{name} is not supported"))));
            }
        }
        Ok(Flow::Next)
    }

    /// A reference in the text: its value, or itself where it has none.
    fn show(&mut self, reference: &Reference) -> Result<()> {
        let value = self.value_of(reference)?;
        let shown = match &value {
            Value::String(text) => Some(text.clone()),
            value => at(reference.at, text::of(value, self.meter))?.map(Into::into),
        };
        let slashes = |count: u32| "\\".repeat(count as usize);
        let place = reference.at;
        match shown {
            shown if reference.escapes % 2 == 1 => {
                let more = u32::from(shown.is_none());
                self.write(&slashes(reference.escapes / 2 + more), place)?;
                self.write(&reference.literal, place)
            }
            Some(shown) if reference.escapes == 0 => self.write(&shown, place),
            Some(shown) => {
                self.write(&slashes(reference.escapes / 2), place)?;
                self.write(&shown, place)
            }
            None => {
                self.write(&slashes(reference.escapes), place)?;
                if reference.quiet || self.meter.rules().missing_is_empty {
                    return Ok(());
                }
                let literal = self.literal_of_argument(reference);
                self.write(literal.as_deref().unwrap_or(&reference.literal), place)
            }
        }
    }

    /// A macro's parameter without a value is shown as its argument is written.
    fn literal_of_argument(&self, reference: &Reference) -> Option<String> {
        let frame = &self.frames[self.frame?];
        let at = frame.of.parameters.iter().position(|name| *name == reference.name)?;
        match frame.arguments.get(at)? {
            Expression::Reference(argument) if reference.path.is_empty() && argument.quiet => Some(String::new()),
            Expression::Reference(argument) if reference.path.is_empty() => Some(argument.literal.to_string()),
            _ => None,
        }
    }

    fn conditional(&mut self, branches: &[(Expression, Block)], otherwise: &Block) -> Result<Flow> {
        for (condition, block) in branches {
            if self.holds(condition)? {
                return self.deeper(0, |renderer| renderer.block(block));
            }
        }
        self.deeper(0, |renderer| renderer.block(otherwise))
    }

    /// A variable's value: a macro's argument, or what was set. Null if there is neither.
    pub(super) fn variable(&mut self, name: &str, place: u32) -> Result<Value> {
        if let Some(at) = self.frame
            && let Some(value) = self.parameter(at, name, place)?
        {
            return Ok(value);
        }
        match self.variables.get(name) {
            Some(Value::Defined(defined)) => {
                let Defined(body) = defined.clone();
                // A block that names itself has no value within itself.
                let hidden = self.variables.remove(name);
                let rendered = self.captured(place, |renderer| renderer.block(&body));
                if let Some(hidden) = hidden {
                    self.variables.entry(name.into()).or_insert(hidden);
                }
                Ok(Value::String(rendered?.into()))
            }
            Some(value) => Ok(value.clone()),
            None => Ok(match (name, self.loops.last()) {
                ("velocityCount", Some(innermost)) => Value::Integer(innermost.index.get() + 1),
                ("velocityHasNext", Some(innermost)) => Value::Bool(innermost.has_next.get()),
                _ => Value::Null,
            }),
        }
    }

    fn parameter(&mut self, at: usize, name: &str, place: u32) -> Result<Option<Value>> {
        let frame = &self.frames[at];
        if let Some((_, value)) = frame.set.iter().find(|(set, _)| **set == *name) {
            return Ok(Some(value.clone()));
        }
        if name == "bodyContent"
            && let Some(body) = frame.body.clone()
        {
            let caller = frame.caller;
            let text =
                self.in_frame(caller, place, |renderer| renderer.captured(place, |renderer| renderer.block(&body)))?;
            return Ok(Some(Value::String(text.into())));
        }
        let Some(index) = frame.of.parameters.iter().position(|parameter| **parameter == *name) else {
            return Ok(None);
        };
        let (arguments, caller) = (frame.arguments.clone(), frame.caller);
        match arguments.get(index) {
            Some(argument) => self.in_frame(caller, place, |renderer| renderer.evaluate(argument)).map(Some),
            None => Ok(None),
        }
    }

    fn in_frame<T>(&mut self, frame: Option<usize>, place: u32, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = std::mem::replace(&mut self.frame, frame);
        let done = self.deeper(place, act);
        self.frame = before;
        done
    }

    /// What is rendered meanwhile, as a text of its own.
    pub(super) fn captured(&mut self, place: u32, act: impl FnOnce(&mut Self) -> Result<Flow>) -> Result<String> {
        let before = std::mem::take(&mut self.out);
        let done = self.deeper(place, act);
        let text = std::mem::replace(&mut self.out, before);
        done?;
        at(place, self.meter.made(text.len()))?;
        Ok(text)
    }

    pub(super) fn interpolated(&mut self, block: &Block) -> Result<String> {
        self.captured(0, |renderer| renderer.block(block))
    }

    /// `#set`: where the way to what is set ends in nothing, nothing happens.
    fn assign(&mut self, target: &Reference, value: Value) -> Result<()> {
        let Some((last, way)) = target.path.split_last() else {
            if let Some(frame) = self.frame {
                let frame = &mut self.frames[frame];
                if frame.of.parameters.contains(&target.name) {
                    frame.set.retain(|(name, _)| *name != target.name);
                    frame.set.push((target.name.clone(), value.clone()));
                }
            }
            self.variables.insert(target.name.clone(), value);
            return Ok(());
        };
        let start = self.variable(&target.name, target.at)?;
        let parent = self.follow(start, way, target.at)?;
        match last {
            Part::Property(name) => at(target.at, method::set_property(&parent, name, &value, self.meter)),
            Part::Index(index) => {
                let index = self.evaluate(index)?;
                at(target.at, method::set_index(&parent, &index, &value, self.meter))
            }
            Part::Method(..) => Ok(()),
        }
    }

    fn foreach(&mut self, foreach: &Foreach) -> Result<Flow> {
        let list = self.evaluate(&foreach.list)?;
        let Some(mut items) = at(foreach.at, method::Items::of(list, self.meter))? else { return Ok(Flow::Next) };
        let level = self.loops.len();
        let parent = self.loops.last().cloned();
        let state = Rc::new(Loop { level, index: Cell::new(0), has_next: Cell::new(false), parent });
        let variable_before = self.variables.remove(&foreach.variable);
        let scope_before = self.variables.insert("foreach".into(), Value::Object(state.clone()));
        self.loops.push(state.clone());
        let flow = self.deeper(foreach.at, |renderer| renderer.rounds(foreach, &state, &mut items));
        self.loops.truncate(level);
        restore(self.variables, "foreach", scope_before);
        restore(self.variables, &foreach.variable, variable_before);
        flow
    }

    fn rounds(&mut self, foreach: &Foreach, state: &Loop, items: &mut method::Items) -> Result<Flow> {
        let mut next = items.next();
        for round in 0..self.meter.rules().iterations {
            let Some(item) = next else { break };
            next = items.next();
            state.index.set(i64::try_from(round).unwrap_or(i64::MAX));
            state.has_next.set(next.is_some());
            at(foreach.at, self.meter.step(1))?;
            if item.is_null() {
                self.variables.remove(&foreach.variable);
            } else {
                self.variables.insert(foreach.variable.clone(), item);
            }
            match self.block(&foreach.body)? {
                Flow::Next => {}
                Flow::Break => break,
                Flow::BreakTo(level) if level == state.level => break,
                further => return Ok(further),
            }
        }
        Ok(Flow::Next)
    }

    fn break_out(&mut self, scope: &Expression, place: u32) -> Result<Flow> {
        let scope = self.evaluate(scope)?;
        let same = |one: &&Rc<Loop>| match &scope {
            Value::Object(object) => std::ptr::addr_eq(Rc::as_ptr(object), Rc::as_ptr(one)),
            _ => false,
        };
        match self.loops.iter().find(same) {
            Some(found) => Ok(Flow::BreakTo(found.level)),
            None => at(place, Err(Fault::Method("#break was given no scope".to_owned()))),
        }
    }

    fn call(&mut self, call: &Call) -> Result<Flow> {
        let Some(of) = self.macros.get(&call.name).or_else(|| self.evaluated.get(&call.name)).cloned() else {
            self.write(&call.literal, call.at)?;
            return Ok(Flow::Next);
        };
        if self.macro_depth >= self.meter.rules().macro_depth {
            return at(call.at, Err(Fault::Limit("macros within each other")));
        }
        let frame = Frame {
            of: of.clone(),
            arguments: call.arguments.clone(),
            caller: self.frame,
            body: call.body.clone(),
            set: Vec::new(),
        };
        self.frames.push(frame);
        self.macro_depth += 1;
        let own = self.frames.len() - 1;
        let flow = self.in_frame(Some(own), call.at, |renderer| renderer.block(&of.body));
        self.macro_depth -= 1;
        self.frames.truncate(own);
        Ok(match flow? {
            Flow::Break => Flow::Next,
            further => further,
        })
    }

    fn evaluate_text(&mut self, text: &Expression, place: u32) -> Result<Flow> {
        let source = self.evaluate(text)?;
        let Value::String(source) = source else { return Ok(Flow::Next) };
        at(place, self.meter.step(source.len() as u64))?;
        at(place, self.meter.made(source.len().saturating_mul(8)))?;
        let parsed = super::parse::template(&source).map_err(|wrong| Failed {
            fault: Fault::Method(format!("#evaluate: {}", wrong.in_text(&source))),
            at: place,
        })?;
        let (block, macros) = parsed;
        self.evaluated.extend(macros);
        let flow = self.deeper(place, |renderer| renderer.block(&block));
        match flow {
            Ok(Flow::Break) => Ok(Flow::Next),
            Ok(further) => Ok(further),
            Err(failed) => at(place, Err(failed.fault)),
        }
    }
}

fn restore(variables: &mut Variables, name: &str, before: Option<Value>) {
    match before {
        Some(before) => variables.insert(name.into(), before),
        None => variables.remove(name),
    };
}

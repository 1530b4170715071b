//! A pickle as data: the opcodes of protocols 0 to 5, interpreted without importing or calling
//! anything. What a call would give is known for the few names that matter,
//! and opaque for all others.

use std::collections::BTreeMap;

use super::globals::{Element, Meaning, meaning};
use crate::error::Result;
use crate::format::cursor::Cursor;
use crate::model::warning::NotRead;

/// Most values that are pushed. A tensor takes about 30, and models have up to 140,000.
const PUSH_LIMIT: usize = 1 << 23;

/// Most tuples, lists, dictionaries and tensors; a tensor takes about 6.
const NODE_LIMIT: usize = 1 << 21;

/// Most arguments of a call that are looked at; a tensor has 8.
const ARGUMENT_LIMIT: usize = 16;

/// Most axes of a tensor, as PyTorch has it.
const AXIS_LIMIT: usize = 64;

/// Longest module or name of a global.
const GLOBAL_LIMIT: usize = 512;

/// Most different globals; a state dictionary has about 5.
const GLOBAL_COUNT: usize = 1 << 12;

/// A value; what is behind an index is in the [`Pickle`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    /// None, and whatever no tensor depends on.
    Opaque,
    /// Truth value.
    Bool(bool),
    /// Whole number of up to 64 bits.
    Integer(i64),
    /// Text: range of [`Pickle::text`].
    Text(u32, u32),
    /// Global: index into the globals.
    Global(u32),
    /// Anything composed: index into the nodes.
    Node(u32),
}

/// A composed value.
#[derive(Debug)]
pub(super) enum Node {
    /// Tuple.
    Tuple(Box<[Value]>),
    /// List.
    List(Vec<Value>),
    /// Dictionary, pairs in order.
    Dictionary(Vec<(Value, Value)>),
    /// A storage.
    Storage(Storage),
    /// A tensor.
    Tensor(Tensor),
    /// A tensor that is not decoded.
    Unread(NotRead),
    /// An object of this global's class, whatever its attributes are.
    Object(u32),
}

/// A storage that the pickle refers to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage {
    /// Key, a text.
    pub(super) key: (u32, u32),
    /// Its elements.
    pub(super) element: Element,
    /// Number of elements; of bytes where untyped.
    pub(super) count: u64,
}

/// A view of a storage, in elements.
#[derive(Debug)]
pub(super) struct Tensor {
    /// Node of the storage.
    pub(super) storage: u32,
    /// Elements of the view, where they are not those of the storage.
    pub(super) element: Option<Element>,
    /// First element.
    pub(super) offset: u64,
    /// Axes, slowest first.
    pub(super) shape: Box<[u64]>,
    /// Distance of elements along each axis.
    pub(super) strides: Box<[u64]>,
    /// Set where values are stored conjugated or negated.
    pub(super) is_lazy: bool,
}

/// What a pickle holds.
#[derive(Debug, Default)]
pub(super) struct Pickle {
    texts: String,
    nodes: Vec<Node>,
    globals: Vec<Meaning>,
    global_names: BTreeMap<String, u32>,
    /// The value that the pickle stands for.
    pub(super) root: Option<Value>,
}

impl Pickle {
    /// The text, where the value is one.
    pub(super) fn text(&self, value: Value) -> Option<&str> {
        match value {
            Value::Text(start, end) => self.texts.get(start as usize..end as usize),
            _ => None,
        }
    }

    /// The node, where the value is one.
    pub(super) fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(at) => self.nodes.get(at as usize),
            _ => None,
        }
    }

    /// Items of a tuple or list.
    pub(super) fn items(&self, value: Value) -> Option<&[Value]> {
        match self.node(value)? {
            Node::Tuple(items) => Some(items),
            Node::List(items) => Some(items),
            _ => None,
        }
    }

    /// All storages, in the order in which they are named.
    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Storage(storage) => Some(storage),
            _ => None,
        })
    }

    /// Names of all globals with their meaning, sorted.
    pub(super) fn globals(&self) -> impl Iterator<Item = (&str, Meaning)> {
        self.global_names
            .iter()
            .filter_map(|(name, &at)| Some((name.as_str(), self.meaning(Value::Global(at))?)))
    }

    /// Name of a global.
    pub(super) fn global_name(&self, at: u32) -> Option<&str> {
        let mut names = self.global_names.iter();
        names
            .find(|(_, own)| **own == at)
            .map(|(name, _)| name.as_str())
    }

    /// Meaning, where the value is a global.
    pub(super) fn meaning(&self, value: Value) -> Option<Meaning> {
        match value {
            Value::Global(at) => self.globals.get(at as usize).copied(),
            _ => None,
        }
    }
}

/// Runs the pickle at the cursor, to its end.
pub(super) fn run(cursor: &mut Cursor<'_>) -> Result<Pickle> {
    let mut machine = Machine {
        pickle: Pickle::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
        pushes: 0,
    };
    while machine.step(cursor)? {}
    Ok(machine.pickle)
}

struct Machine {
    pickle: Pickle,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: BTreeMap<u32, Value>,
    pushes: usize,
}

impl Machine {
    /// Interprets one opcode; false after STOP.
    fn step(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        const OF: &str = "a pickle opcode";
        let opcode = cursor.u8(OF)?;
        let done = match opcode {
            // PROTO
            0x80 => match cursor.u8(OF)? {
                0..=5 => Ok(()),
                protocol => {
                    let what = format!("pickle protocol {protocol} (expected 5 at most)");
                    return Err(cursor.unsupported(what));
                }
            },
            // FRAME: a length that a reader who reads on does not need
            0x95 => cursor.skip(8, OF).map(Ok)?,
            // GLOBAL
            b'c' => {
                let (module, name) = (line(cursor)?, line(cursor)?);
                self.global(&module, &name)
            }
            // STACK_GLOBAL
            0x93 => self.stack_global(),
            // MEMOIZE, PUT, BINPUT, LONG_BINPUT
            0x94 => self.remember(self.memo.len() as u32),
            b'p' => {
                let cell = number_line(cursor)?;
                self.remember(cell)
            }
            b'q' => self.remember(cursor.u8(OF)?.into()),
            b'r' => self.remember(cursor.u32(OF)?),
            // GET, BINGET, LONG_BINGET
            b'g' => {
                let cell = number_line(cursor)?;
                self.recall(cell)
            }
            b'h' => self.recall(cursor.u8(OF)?.into()),
            b'j' => self.recall(cursor.u32(OF)?),
            // POP, POP_MARK, DUP
            b'0' => self.pop().map(|_| ()),
            b'1' => self.marked().map(|_| ()),
            b'2' => self.top().and_then(|value| self.push(value)),
            // MARK
            b'(' => {
                self.marks.push(self.stack.len());
                if self.marks.len() > PUSH_LIMIT {
                    Err("too many marks".to_owned())
                } else {
                    Ok(())
                }
            }
            // NONE, NEWTRUE, NEWFALSE
            b'N' => self.push(Value::Opaque),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            // BININT, BININT1, BININT2, LONG1
            b'J' => self.push(Value::Integer(cursor.u32(OF)?.cast_signed().into())),
            b'K' => self.push(Value::Integer(cursor.u8(OF)?.into())),
            b'M' => self.push(Value::Integer(cursor.u16(OF)?.into())),
            0x8a => {
                let len = cursor.u8(OF)?;
                let bytes = cursor.bytes(len.into(), OF)?;
                self.push(long(&bytes))
            }
            // LONG4
            0x8b => {
                let len = cursor.u32(OF)?;
                let bytes = cursor.bytes(len.into(), "a pickled number")?;
                self.push(long(&bytes))
            }
            // INT, LONG, in text
            b'I' | b'L' => {
                let text = line(cursor)?;
                self.push(whole_number(&text))
            }
            // BINFLOAT, FLOAT
            b'G' => {
                cursor.skip(8, OF)?;
                self.push(Value::Opaque)
            }
            b'F' => {
                line(cursor)?;
                self.push(Value::Opaque)
            }
            // BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8: no name of a tensor
            b'B' | b'C' | 0x8e | 0x96 => {
                let len = match opcode {
                    b'B' => cursor.u32(OF)?.into(),
                    b'C' => cursor.u8(OF)?.into(),
                    _ => cursor.u64(OF)?,
                };
                cursor.skip(len, "pickled bytes")?;
                self.push(Value::Opaque)
            }
            // NEXT_BUFFER, READONLY_BUFFER: bytes that were kept outside
            0x97 => self.push(Value::Opaque),
            0x98 => self.top().map(|_| ()),
            // STRING, UNICODE, in text
            b'S' | b'V' => {
                let text = line(cursor)?;
                let unquoted = text.trim_matches(['\'', '"']);
                let text = if opcode == b'S' {
                    unquoted
                } else {
                    text.as_str()
                };
                self.push_text(text.as_bytes())
            }
            // BINUNICODE, BINSTRING, BINUNICODE8, SHORT_BINUNICODE, SHORT_BINSTRING
            b'X' | b'T' => {
                let len = cursor.u32(OF)?;
                let bytes = cursor.bytes(len.into(), "a pickled text")?;
                self.push_text(&bytes)
            }
            0x8d => {
                let len = cursor.u64(OF)?;
                let bytes = cursor.bytes(len, "a pickled text")?;
                self.push_text(&bytes)
            }
            b'U' | 0x8c => {
                let len = cursor.u8(OF)?;
                let bytes = cursor.bytes(len.into(), "a pickled text")?;
                self.push_text(&bytes)
            }
            // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
            b')' => self.tuple(0),
            0x85..=0x87 => self.tuple(usize::from(opcode - 0x84)),
            b't' => self
                .marked()
                .and_then(|items| self.push_node(Node::Tuple(items.into()))),
            // EMPTY_LIST, EMPTY_DICT, EMPTY_SET
            b']' => self.push_node(Node::List(Vec::new())),
            b'}' => self.push_node(Node::Dictionary(Vec::new())),
            0x8f => self.push(Value::Opaque),
            // ADDITEMS, FROZENSET: a set holds no tensor
            0x90 => self.marked().and_then(|_| self.top().map(|_| ())),
            0x91 => self.marked().and_then(|_| self.push(Value::Opaque)),
            // LIST, DICT
            b'l' => self
                .marked()
                .and_then(|items| self.push_node(Node::List(items))),
            b'd' => self.marked().and_then(|pairs| {
                self.push_node(Node::Dictionary(Vec::new()))?;
                self.set(&pairs)
            }),
            // APPEND, APPENDS
            b'a' => self.pop().and_then(|item| self.extend(&[item])),
            b'e' => self.marked().and_then(|items| self.extend(&items)),
            // SETITEM, SETITEMS
            b's' => self.pop_many(2).and_then(|pair| self.set(&pair)),
            b'u' => self.marked().and_then(|pairs| self.set(&pairs)),
            // REDUCE, NEWOBJ
            b'R' | 0x81 => self.call(),
            // NEWOBJ_EX: with named arguments, which no tensor has
            0x92 => self.pop().and_then(|_| self.call()),
            // OBJ, INST
            b'o' => self.marked().and_then(|items| match items.first() {
                Some(&class) => self.object(class),
                None => Err("an object of no class".to_owned()),
            }),
            b'i' => {
                let (module, name) = (line(cursor)?, line(cursor)?);
                self.instance(&module, &name)
            }
            // BUILD: attributes of an object (`_metadata` of a state dictionary), which no tensor
            // depends on
            b'b' => self.pop().and_then(|_| self.top().map(|_| ())),
            // BINPERSID
            b'Q' => self.storage(),
            // STOP
            b'.' => {
                self.pickle.root = Some(
                    self.pop()
                        .map_err(|what| cursor.malformed(format!("a pickle with {what}")))?,
                );
                return Ok(false);
            }
            opcode => {
                let at = cursor.position() - 1;
                return Err(cursor.unsupported(format!(
                    "pickle opcode 0x{opcode:02X} at byte {at} is not among those that PyTorch writes (expected a file of torch.save)"
                )));
            }
        };
        done.map_err(|what| {
            cursor.malformed(format!(
                "a pickle with {what} before byte {}",
                cursor.position()
            ))
        })?;
        Ok(true)
    }

    fn push(&mut self, value: Value) -> Step {
        self.pushes += 1;
        if self.pushes > PUSH_LIMIT {
            return Err("more values than are read".to_owned());
        }
        self.stack.push(value);
        Ok(())
    }

    fn push_node(&mut self, node: Node) -> Step {
        if self.pickle.nodes.len() >= NODE_LIMIT {
            return Err("more values than are read".to_owned());
        }
        // The limit keeps the index in 32 bits.
        let at = self.pickle.nodes.len() as u32;
        self.pickle.nodes.push(node);
        self.push(Value::Node(at))
    }

    fn push_text(&mut self, bytes: &[u8]) -> Step {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return self.push(Value::Opaque);
        };
        let start = self.pickle.texts.len();
        match (u32::try_from(start), u32::try_from(start + text.len())) {
            (Ok(start), Ok(end)) => {
                self.pickle.texts.push_str(text);
                self.push(Value::Text(start, end))
            }
            _ => Err("more text than is read".to_owned()),
        }
    }

    /// Values above the last mark count as missing: an opcode may not reach below it.
    fn pop(&mut self) -> Step<Value> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("an operation on nothing".to_owned());
        }
        self.stack
            .pop()
            .ok_or_else(|| "an operation on nothing".to_owned())
    }

    fn pop_many(&mut self, count: usize) -> Step<Vec<Value>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count) {
            Some(start) if start >= floor => Ok(self.stack.split_off(start)),
            _ => Err("an operation on nothing".to_owned()),
        }
    }

    fn top(&self) -> Step<Value> {
        self.stack
            .last()
            .copied()
            .ok_or_else(|| "an operation on nothing".to_owned())
    }

    /// All values above the last mark, which goes with them.
    fn marked(&mut self) -> Step<Vec<Value>> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => Err("no mark where one is needed".to_owned()),
        }
    }

    fn tuple(&mut self, count: usize) -> Step {
        let items = self.pop_many(count)?;
        self.push_node(Node::Tuple(items.into()))
    }

    fn remember(&mut self, at: u32) -> Step {
        let value = self.top()?;
        self.memo.insert(at, value);
        if self.memo.len() > NODE_LIMIT {
            Err("more memory cells than are read".to_owned())
        } else {
            Ok(())
        }
    }

    fn recall(&mut self, at: u32) -> Step {
        let value = *self
            .memo
            .get(&at)
            .ok_or_else(|| format!("memory cell {at} read before it is set"))?;
        self.push(value)
    }

    fn global(&mut self, module: &str, name: &str) -> Step {
        let full = format!("{module}.{name}");
        let pickle = &mut self.pickle;
        let at = match pickle.global_names.get(&full) {
            Some(&at) => at,
            None if pickle.globals.len() >= GLOBAL_COUNT => {
                return Err("more globals than are read".to_owned());
            }
            None => {
                let at = pickle.globals.len() as u32;
                pickle.globals.push(meaning(module, name));
                pickle.global_names.insert(full, at);
                at
            }
        };
        self.push(Value::Global(at))
    }

    /// The global whose module and name are the two texts on top.
    fn stack_global(&mut self) -> Step {
        let (name, module) = (self.pop()?, self.pop()?);
        let texts = (self.pickle.text(module), self.pickle.text(name));
        match texts {
            (Some(module), Some(name)) if module.len() + name.len() <= 2 * GLOBAL_LIMIT => {
                let (module, name) = (module.to_owned(), name.to_owned());
                self.global(&module, &name)
            }
            _ => Err("a global without a name".to_owned()),
        }
    }

    /// Appends to the list on top.
    fn extend(&mut self, items: &[Value]) -> Step {
        match self.top()? {
            Value::Node(at) => match self.pickle.nodes.get_mut(at as usize) {
                Some(Node::List(list)) => list.extend_from_slice(items),
                Some(Node::Object(_) | Node::Unread(_)) => {}
                _ => return Err("items appended to what is no list".to_owned()),
            },
            Value::Opaque => {}
            _ => return Err("items appended to what is no list".to_owned()),
        }
        Ok(())
    }

    /// Sets keys and values of the dictionary on top.
    fn set(&mut self, pairs: &[Value]) -> Step {
        let (pairs, []) = pairs.as_chunks::<2>() else {
            return Err("a key without a value".to_owned());
        };
        match self.top()? {
            Value::Node(at) => match self.pickle.nodes.get_mut(at as usize) {
                Some(Node::Dictionary(dictionary)) => {
                    dictionary.extend(pairs.iter().map(|&[key, value]| (key, value)))
                }
                // An object that is a dictionary besides.
                Some(node @ Node::Object(_)) => {
                    let pairs = pairs.iter().map(|&[key, value]| (key, value));
                    *node = Node::Dictionary(pairs.collect());
                }
                Some(Node::Unread(_)) => {}
                _ => return Err("keys set in what is no dictionary".to_owned()),
            },
            Value::Opaque => {}
            _ => return Err("keys set in what is no dictionary".to_owned()),
        }
        Ok(())
    }

    /// Puts what a call of a global with a tuple of arguments gives in the place of both.
    fn call(&mut self) -> Step {
        let arguments = self.pop()?;
        let callable = self.pop()?;
        // A copy of a few values, whatever the length: a tuple may be called over and over.
        let arguments: Vec<Value> = match self.pickle.node(arguments) {
            Some(Node::Tuple(items)) => items.iter().take(ARGUMENT_LIMIT).copied().collect(),
            _ => return Err("a call whose arguments are no tuple".to_owned()),
        };
        // What another call gave is not known.
        let Some(meaning) = self.pickle.meaning(callable) else {
            return self.push(Value::Opaque);
        };
        match meaning {
            Meaning::Dictionary => self.dictionary(&arguments),
            Meaning::Tensor => self.tensor(&arguments),
            Meaning::Parameter | Meaning::Tuple => {
                self.push(arguments.first().copied().unwrap_or(Value::Opaque))
            }
            Meaning::Unread(what) => self.push_node(Node::Unread(what)),
            Meaning::TensorOfType => self.tensor_of_type(&arguments),
            // What an unknown class makes of a tensor is not known.
            Meaning::Unknown if arguments.iter().any(|&value| self.is_tensor(value)) => {
                self.push_node(Node::Unread(NotRead::Subclass))
            }
            Meaning::Unknown | Meaning::Module | Meaning::Numpy => self.object(callable),
            Meaning::Storage(_) | Meaning::Dtype(_) | Meaning::Inert | Meaning::Forbidden => {
                // `copyreg._reconstructor` makes an object of its first argument's class.
                match arguments.first() {
                    Some(&class @ Value::Global(_)) => self.object(class),
                    _ => self.push(Value::Opaque),
                }
            }
        }
    }

    fn is_tensor(&self, value: Value) -> bool {
        matches!(
            self.pickle.node(value),
            Some(Node::Tensor(_) | Node::Unread(_))
        )
    }

    /// An object of a class.
    fn object(&mut self, class: Value) -> Step {
        match (class, self.pickle.meaning(class)) {
            (_, Some(Meaning::Dictionary)) => self.push_node(Node::Dictionary(Vec::new())),
            (Value::Global(at), Some(Meaning::Unknown | Meaning::Module | Meaning::Numpy)) => {
                self.push_node(Node::Object(at))
            }
            _ => self.push(Value::Opaque),
        }
    }

    /// An object of a class that is named in place, of the arguments above the last mark.
    fn instance(&mut self, module: &str, name: &str) -> Step {
        self.marked()?;
        self.global(module, name)?;
        let class = self.pop()?;
        self.object(class)
    }

    /// (function, class, arguments, attributes) of a tensor that had attributes.
    fn tensor_of_type(&mut self, arguments: &[Value]) -> Step {
        let &[function, class, inner, ..] = arguments else {
            return self.push_node(Node::Unread(NotRead::Subclass));
        };
        let is_plain = self.pickle.meaning(class) == Some(Meaning::Parameter);
        match (self.pickle.meaning(function), self.pickle.items(inner)) {
            (Some(Meaning::Tensor), Some(items)) if is_plain => {
                let items: Vec<Value> = items.iter().take(ARGUMENT_LIMIT).copied().collect();
                self.tensor(&items)
            }
            (Some(Meaning::Parameter), Some(&[first, ..])) if is_plain => self.push(first),
            _ => self.push_node(Node::Unread(NotRead::Subclass)),
        }
    }

    /// A dictionary, empty or of a list of pairs.
    fn dictionary(&mut self, arguments: &[Value]) -> Step {
        let list = arguments
            .iter()
            .find_map(|&argument| match self.pickle.node(argument) {
                Some(Node::List(list)) => Some(list),
                _ => None,
            });
        let pair = |&item: &Value| match self.pickle.items(item) {
            Some(&[key, value]) => Ok((key, value)),
            _ => Err("a dictionary made of what are no pairs".to_owned()),
        };
        // A list may be copied over and over: its items count as pushed again.
        self.pushes += list.map_or(0, Vec::len);
        if self.pushes > PUSH_LIMIT {
            return Err("more values than are read".to_owned());
        }
        let pairs = list
            .into_iter()
            .flatten()
            .map(pair)
            .collect::<Step<Vec<_>>>()?;
        self.push_node(Node::Dictionary(pairs))
    }

    /// (storage, offset, size, stride[, requires_grad, hooks[, dtype or metadata[, metadata]]])
    fn tensor(&mut self, arguments: &[Value]) -> Step {
        let &[storage, offset, shape, strides, ref rest @ ..] = arguments else {
            return Err("a tensor with less than four arguments".to_owned());
        };
        let Value::Node(at) = storage else {
            return Err("a tensor without a storage".to_owned());
        };
        match self.pickle.node(storage) {
            Some(Node::Storage(_)) => {}
            _ => return Err("a tensor without a storage".to_owned()),
        }
        let counts = |value: Value| -> Option<Box<[u64]>> {
            let items = self
                .pickle
                .items(value)
                .filter(|items| items.len() <= AXIS_LIMIT)?;
            items.iter().map(|&item| count(item)).collect()
        };
        let (Some(offset), Some(shape), Some(strides)) =
            (count(offset), counts(shape), counts(strides))
        else {
            return Err("a tensor whose offset, size or stride are no counts".to_owned());
        };
        if shape.len() != strides.len() {
            return Err("a tensor with another number of axes than strides".to_owned());
        }
        let element = rest
            .iter()
            .find_map(|&argument| match self.pickle.meaning(argument) {
                Some(Meaning::Dtype(element)) => Some(element),
                _ => None,
            });
        // Behind requires_grad and hooks: the metadata {"conj": True, "neg": True} of a lazy view.
        let is_lazy = rest
            .iter()
            .skip(2)
            .any(|&argument| match self.pickle.node(argument) {
                Some(Node::Dictionary(metadata)) => {
                    metadata.len() > ARGUMENT_LIMIT
                        || metadata
                            .iter()
                            .any(|&(_, value)| value == Value::Bool(true))
                }
                _ => false,
            });
        self.push_node(Node::Tensor(Tensor {
            storage: at,
            element,
            offset,
            shape,
            strides,
            is_lazy,
        }))
    }

    /// ("storage", class, key, device, count[, view])
    fn storage(&mut self) -> Step {
        let id = self.pop()?;
        let is_storage = |tag| self.pickle.text(tag) == Some("storage");
        let (class, key, elements) = match self.pickle.items(id) {
            Some(
                &[tag, class, key, _, elements] | &[tag, class, key, _, elements, Value::Opaque],
            ) if is_storage(tag) => (class, key, elements),
            Some(&[_, _, _, _, _, _]) => {
                return Err("a view of a storage, which is not read".to_owned());
            }
            _ => return Err("a reference that is no storage".to_owned()),
        };
        let element = match self.pickle.meaning(class) {
            Some(Meaning::Storage(element)) => element,
            _ => return Err("a storage of an unknown class".to_owned()),
        };
        match (key, count(elements)) {
            (Value::Text(start, end), Some(count)) => self.push_node(Node::Storage(Storage {
                key: (start, end),
                element,
                count,
            })),
            _ => Err("a storage without key or length".to_owned()),
        }
    }
}

/// Result of an operation; the error says what a pickle has that it should not have.
type Step<T = ()> = std::result::Result<T, String>;

fn count(value: Value) -> Option<u64> {
    match value {
        Value::Integer(value) => u64::try_from(value).ok(),
        _ => None,
    }
}

/// A little-endian two's complement integer; opaque beyond 64 bits.
fn long(bytes: &[u8]) -> Value {
    let mut word = [if bytes.last().is_some_and(|&top| top >= 0x80) {
        0xFF
    } else {
        0
    }; 8];
    match word.get_mut(..bytes.len()) {
        Some(front) => front.copy_from_slice(bytes),
        None => return Value::Opaque,
    }
    Value::Integer(i64::from_le_bytes(word))
}

/// A whole number in text; opaque where it is none of 64 bits. `00` and `01` are truth values.
fn whole_number(text: &str) -> Value {
    match text {
        "00" => Value::Bool(false),
        "01" => Value::Bool(true),
        text => text
            .trim_end_matches('L')
            .parse()
            .map_or(Value::Opaque, Value::Integer),
    }
}

/// The number of a memory cell, in text.
fn number_line(cursor: &mut Cursor<'_>) -> Result<u32> {
    let text = line(cursor)?;
    text.parse()
        .map_err(|_| cursor.malformed("a pickle with a memory cell without a number"))
}

/// A line, as a GLOBAL has two.
fn line(cursor: &mut Cursor<'_>) -> Result<String> {
    let mut line = Vec::new();
    loop {
        match cursor.u8("a pickled name")? {
            b'\n' => break,
            byte => line.push(byte),
        }
        if line.len() > GLOBAL_LIMIT {
            return Err(cursor.malformed("a pickle with a global of an endless name"));
        }
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

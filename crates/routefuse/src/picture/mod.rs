//! A graph before and after fusion, as a picture.
//!
//! The left drawing has the graph as it was written, each of its operations a kernel; the right one has the operations that
//! were left of it, in the kernels that compute them. Thick arrows pass through memory, thin ones stay in registers.
//! The library lays nothing out itself: DOT leaves that to its reader, SVG to `dagre`.

mod dot;
mod drawing;
#[cfg(feature = "svg")]
mod drawn;
mod label;
#[cfg(feature = "svg")]
mod layout;
#[cfg(feature = "svg")]
mod layouts;
#[cfg(feature = "svg")]
mod svg;
#[cfg(test)]
mod tests;

use crate::engine::Lowered;
use crate::error::Error;
use drawing::Drawing;
#[cfg(feature = "svg")]
pub use drawn::{Drawn, DrawnArrow, DrawnBox, DrawnFrame};
#[cfg(feature = "svg")]
use layout::Geometry;
#[cfg(feature = "svg")]
pub use layouts::Layouts;
use routefuse_ir::{Graph, Verified};

/// A graph before and after fusion. [`Engine::picture`](crate::Engine::picture) makes one.
#[derive(Clone, Debug)]
pub struct Picture {
    name: String,
    before: Drawing,
    after: Drawing,
}

/// More boxes than this are not laid out: nobody could read them, and the time grows faster than their number.
#[cfg(feature = "svg")]
const MOST_BOXES: usize = 500;

impl Picture {
    /// See [`Engine::picture`](crate::Engine::picture).
    pub(crate) fn of(graph: &Verified<Graph>, lowered: &Lowered) -> Result<Picture, Error> {
        let report = lowered.report()?;
        Ok(Picture {
            name: routefuse_ir::visible::visible(&graph.name).into_owned(),
            before: drawing::before(graph, &report),
            after: drawing::after(lowered.compiled(), &report),
        })
    }

    /// The picture in the DOT language, for Graphviz and other programs that lay graphs out.
    pub fn dot(&self) -> String {
        dot::write(self)
    }

    /// The picture as an SVG document, laid out.
    ///
    /// # Errors
    /// `RF0112` if it has more than 500 boxes.
    #[cfg(feature = "svg")]
    pub fn svg(&self) -> Result<String, Error> {
        self.check_size(MOST_BOXES)?;
        Ok(svg::write(self))
    }

    /// Both drawings, laid out, as data: the graph as it was written, and as its kernels compute it. The time grows with the square
    /// of the number of boxes, so the caller says how many are too many.
    ///
    /// # Errors
    /// `RF0112` if one has more than `most_boxes`, or more than 500.
    #[cfg(feature = "svg")]
    pub fn drawn(&self, most_boxes: usize) -> Result<[Drawn; 2], Error> {
        self.check_size(most_boxes.min(MOST_BOXES))?;
        Ok(self.of_both(|d| Drawn::of(d, &layout::layout(&Geometry::of(d, 1)))))
    }

    /// As [`Picture::drawn`], with a layout of `layouts` where one fits, and with what is laid out anew kept there.
    ///
    /// # Errors
    /// Those of [`Picture::drawn`].
    #[cfg(feature = "svg")]
    pub fn drawn_with(&self, most_boxes: usize, layouts: &Layouts) -> Result<[Drawn; 2], Error> {
        self.check_size(most_boxes.min(MOST_BOXES))?;
        Ok(self.of_both(|d| Drawn::of(d, &layouts.of(d))))
    }

    /// As [`Picture::drawn`], if `layouts` has both layouts already: nothing is laid out.
    ///
    /// # Errors
    /// Those of [`Picture::drawn`].
    #[cfg(feature = "svg")]
    pub fn drawn_before(&self, most_boxes: usize, layouts: &Layouts) -> Result<Option<[Drawn; 2]>, Error> {
        self.check_size(most_boxes.min(MOST_BOXES))?;
        let known = |d| Some(Drawn::of(d, &*layouts.known(d)?));
        Ok(known(&self.before).zip(known(&self.after)).map(<[Drawn; 2]>::from))
    }

    /// What laying out takes is nearly all of the time: each drawing has a thread.
    #[cfg(feature = "svg")]
    fn of_both<R: Send>(&self, work: impl Fn(&Drawing) -> R + Sync) -> [R; 2] {
        let (before, after) = rayon::join(|| work(&self.before), || work(&self.after));
        [before, after]
    }

    #[cfg(feature = "svg")]
    fn check_size(&self, limit: usize) -> Result<(), Error> {
        let most = self.before.boxes.len().max(self.after.boxes.len());
        if most > limit {
            let message = format!("the picture of `{}` has {most} boxes; at most {limit} are laid out", self.name);
            let help = "the stage `dot` has no limit: give it to a program that lays out large graphs";
            return Err(routefuse_ir::Diagnostic::new(routefuse_ir::Code::TooLarge, message).help(help).into());
        }
        Ok(())
    }
}

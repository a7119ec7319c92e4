//! How the rows and columns of each kernel meet lanes.

use crate::model::ScheduleView;
use routefuse::diag::visible;
use routefuse::inspect::{Lowering, ScheduleLanes};

pub(crate) fn schedules(lowering: &Lowering) -> Vec<ScheduleView> {
    let kernels = lowering.kernels().iter().zip(lowering.lanes()).enumerate();
    let view =
        |(kernel, (scheduled, lanes)): (usize, (&routefuse::Verified<routefuse::ir::Scheduled>, ScheduleLanes))| {
            let (target, notation) = (scheduled.target.name().to_owned(), scheduled.schedule.to_string());
            ScheduleView { kernel, target, notation, lanes: shown(lanes) }
        };
    kernels.map(view).collect()
}

/// With every name made visible: what a user named stands in any of these texts.
fn shown(mut lanes: ScheduleLanes) -> ScheduleLanes {
    let show = |text: &mut String| {
        if let std::borrow::Cow::Owned(visible) = visible(text) {
            *text = visible;
        }
    };
    for word in &mut lanes.words {
        show(&mut word.meaning);
    }
    for shape in &mut lanes.shapes {
        for spread in &mut shape.spreads {
            show(&mut spread.what);
            spread.values.iter_mut().for_each(show);
        }
        for phase in &mut shape.phases {
            [&mut phase.title, &mut phase.crossing, &mut phase.why, &mut phase.then].into_iter().for_each(show);
            phase.loads.iter_mut().chain(&mut phase.values).chain(&mut phase.stores).for_each(show);
        }
    }
    lanes
}

#![allow(warnings)]
use super::history::*;
use super::*;
use crate::dataset::*;
use std::path::Path;
#[test]
fn zz_show() {
    let d = Path::new("/tmp/fonts/out");
    std::fs::create_dir_all(d).unwrap();
    let ep = |n: usize, of: usize| {
        let t = n as f64 / of as f64;
        let w = ((n * 7919 % 13) as f64) / 13.0;
        Epoch {
            epoch: n,
            learning_rate: 0.1,
            train_loss: 0.6 + 1.3 * (-4.0 * t).exp(),
            validation_loss: 0.75 + 1.0 * (-4.0 * t).exp() + 0.1 * w * (1.0 - t),
            train_accuracy: 92.0 - 55.0 * (-4.0 * t).exp(),
            validation_accuracy: 90.0 - 45.0 * (-4.0 * t).exp() - 3.0 * w * (1.0 - t),
            seconds: 250.0,
        }
    };
    for n in [1usize, 2, 5, 24, 400] {
        let h = History {
            epochs: (1..=n).map(|e| ep(e, n)).collect(),
        };
        learning_curves(
            &h,
            &format!("vgg3-best: {n} epochs"),
            &d.join(format!("lc{n}.png")),
            &d.join(format!("lc{n}.svg")),
        )
        .unwrap();
    }
    let m: Vec<Vec<u32>> = (0..10)
        .map(|t| {
            (0..10)
                .map(|p| {
                    if t == p {
                        900 - 13 * t as u32
                    } else {
                        (t * 31 + p * 17) as u32 % 37 * ((t * 7 + p) % 3) as u32
                    }
                })
                .collect()
        })
        .collect();
    confusion_matrix(&m, &CLASSES, &d.join("cm.png"), &d.join("cm.svg")).unwrap();
    let c = Cifar10::fetch_and_load(&default_directory()).unwrap();
    preview(&c.train, &d.join("preview.png")).unwrap();
    write_samples(&c.test, &default_directory().with_file_name("samples")).unwrap();
}

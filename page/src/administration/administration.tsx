import { NoSuchView } from "../app.tsx";
import { address } from "../routing/address.ts";
import { AllExperiments } from "./experiments/all-experiments.tsx";
import { Scientists } from "./experiments/scientists.tsx";
import { MeasureTypes } from "./measure-types/measure-types.tsx";
import { RejectedMessageView } from "./rejected-messages/rejected-message.tsx";
import { RejectedMessages } from "./rejected-messages/rejected-messages.tsx";
import { Users } from "./users/users.tsx";
import "./administration.css";

const NUMBER = /^[1-9]\d{0,15}$/;

/** What only administrators see: everything behind `#/administration`. */
export function Administration() {
  const [, place = "users", which, ...further] = address.value.path;
  if (which === undefined) {
    switch (place) {
      case "users":
        return <Users />;
      case "experiments":
        return <AllExperiments />;
      case "measure-types":
        return <MeasureTypes />;
      case "rejected-messages":
        return <RejectedMessages />;
    }
  } else if (NUMBER.test(which) && further.length === 0) {
    switch (place) {
      case "experiments":
        return <Scientists key={which} experimentId={Number(which)} />;
      case "rejected-messages":
        return <RejectedMessageView key={which} id={Number(which)} />;
    }
  }
  return <NoSuchView />;
}

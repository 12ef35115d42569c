import { path, request, requestJson } from "./client.ts";
import type {
  ApiToken,
  Associations,
  CreatedApiToken,
  Experiment,
  Flag,
  ListedSeries,
  MeasureType,
  NewApiToken,
  NewExperiment,
  NewFlag,
  NewMeasureType,
  RejectedMessage,
  Sensor,
  User,
} from "./shapes.ts";

/** A function for each endpoint of the REST API except `/measures/`, which is in `measures.ts`. */

type Signal = AbortSignal | undefined;

export const ownUser = (signal?: Signal) => requestJson<User>("/users/me", { signal });
export const listUsers = (signal?: Signal) => requestJson<User[]>("/users/", { signal });
export const getUser = (userId: string, signal?: Signal) =>
  requestJson<User>(path`/users/${userId}`, { signal });
export const createUser = (user: User) => requestJson<User>("/users/", { method: "POST", body: user });
export const updateUser = (user: User) =>
  requestJson<User>(path`/users/${user.user_id}`, { method: "PUT", body: user });
export const eraseUser = (userId: string) => request(path`/users/${userId}`, { method: "DELETE" });

export const listOwnApiTokens = (signal?: Signal) => requestJson<ApiToken[]>("/users/me/tokens/", { signal });
export const createApiToken = (token: NewApiToken) =>
  requestJson<CreatedApiToken>("/users/me/tokens/", { method: "POST", body: token });
export const revokeOwnApiToken = (id: number) => request(path`/users/me/tokens/${id}`, { method: "DELETE" });
export const listApiTokens = (userId: string, signal?: Signal) =>
  requestJson<ApiToken[]>(path`/users/${userId}/tokens/`, { signal });
export const revokeApiToken = (userId: string, id: number) =>
  request(path`/users/${userId}/tokens/${id}`, { method: "DELETE" });

/** Archived ones, too. */
export const listExperiments = (signal?: Signal) =>
  requestJson<Experiment[]>("/experiments/?archived=include", { signal });
export const getExperiment = (experimentId: number, signal?: Signal) =>
  requestJson<Experiment>(path`/experiments/${experimentId}`, { signal });
export const createExperiment = (experiment: NewExperiment) =>
  requestJson<Experiment>("/experiments/", { method: "POST", body: experiment });
export const updateExperiment = (experiment: Experiment) =>
  requestJson<Experiment>(path`/experiments/${experiment.experiment_id}`, {
    method: "PUT",
    body: experiment,
  });

export const listSeries = (experimentId: number, signal?: Signal) =>
  requestJson<ListedSeries[]>(path`/experiments/${experimentId}/series`, { signal });
export const listSensors = (experimentId: number, signal?: Signal) =>
  requestJson<Sensor[]>(path`/experiments/${experimentId}/sensors/`, { signal });
export const describeSensor = (experimentId: number, sensor: Sensor) =>
  requestJson<Sensor>(path`/experiments/${experimentId}/sensors/${sensor.name}`, {
    method: "PUT",
    body: sensor,
  });

export const listFlags = (experimentId: number, signal?: Signal) =>
  requestJson<Flag[]>(path`/experiments/${experimentId}/flags/`, { signal });
export const createFlag = (experimentId: number, flag: NewFlag) =>
  requestJson<Flag>(path`/experiments/${experimentId}/flags/`, { method: "POST", body: flag });
export const withdrawFlag = (experimentId: number, flagId: number) =>
  request(path`/experiments/${experimentId}/flags/${flagId}`, { method: "DELETE" });

export const listAssociations = (signal?: Signal) =>
  requestJson<Associations>("/scientists-experiments/", { signal });
export const associate = (experimentId: number, userId: string) =>
  request(path`/scientists-experiments/${experimentId}/${userId}`, { method: "POST" });
export const dissociate = (experimentId: number, userId: string) =>
  request(path`/scientists-experiments/${experimentId}/${userId}`, { method: "DELETE" });

/** The associated scientists become exactly these. */
export const replaceScientists = (experimentId: number, userIds: readonly string[]) =>
  request(path`/scientists-experiments/${experimentId}`, { method: "PUT", body: { user_ids: userIds } });
export const listExperimentsOf = (userId: string, signal?: Signal) =>
  requestJson<Experiment[]>(`${path`/users/${userId}/experiments`}?archived=include`, { signal });

export const createMeasureType = (type: NewMeasureType) =>
  requestJson<MeasureType>("/measure-types/", { method: "POST", body: type });
export const updateMeasureType = (type: MeasureType) =>
  requestJson<MeasureType>(path`/measure-types/${type.measure_type_id}`, { method: "PUT", body: type });
export const listMeasureTypes = (signal?: Signal) =>
  requestJson<MeasureType[]>("/measure-types/", { signal });

export const getRejectedMessage = (id: number, signal?: Signal) =>
  requestJson<RejectedMessage>(path`/rejected-messages/${id}`, { signal });
export const discardRejectedMessage = (id: number) =>
  request(path`/rejected-messages/${id}`, { method: "DELETE" });
